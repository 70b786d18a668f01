//! `completions`.

use std::env;
use std::path::Path;
use std::process::Command;

use crate::world::{SHMUTIL, World, skip};

#[test]
fn every_shell_has_completions() {
    let world = World::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = world.output(&["completions", shell]);
        assert!(script.contains("older-than"), "{shell}");
    }
    world.fails(&["completions", "csh"], 2, "bash");
}

/// Runs a script with a shell. `COMPLETIONS` is the completion script's path, and
/// shmutil is on the PATH. `None` if the shell is not installed.
fn run(world: &World, shell: &str, arguments: &[&str], script: &str) -> Option<Vec<String>> {
    let completions = world.output(&["completions", shell]);
    let directory = Path::new(SHMUTIL).parent().unwrap();
    let path = env::var("PATH").unwrap();
    let mut command = Command::new(shell);
    world.prepare(&mut command);
    let output = command
        .args(arguments)
        .args(["-c", script])
        .env("PATH", format!("{}:{path}", directory.display()))
        .env(
            "COMPLETIONS",
            world.write("_shmutil", completions.as_bytes()),
        )
        .env("HOME", world.directory.path())
        .output();
    let Ok(output) = output else {
        skip(&format!("{shell} is not installed"));
        return None;
    };
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(error, "", "{shell}");
    let text = String::from_utf8(output.stdout).unwrap();
    Some(text.lines().map(str::to_owned).collect())
}

/// A namespace with segments, and another one.
fn worlds() -> (World, World) {
    let (world, other) = (World::new(), World::new());
    for name in ["sensors", "a b", "a:b:c"] {
        world.ok(&["create", name, "1"]);
    }
    other.ok(&["create", "theirs", "1"]);
    (world, other)
}

#[test]
fn bash_completes_names() {
    let (world, other) = worlds();
    let complete = |words: &[&str]| {
        let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        let script = format!(
            "compopt() {{ :; }}
            source $COMPLETIONS
            COMP_WORDS=({})
            COMP_CWORD={}
            $(complete -p shmutil | sed 's/.*-F \\([^ ]*\\).*/\\1/') shmutil '{}' ''
            printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            quoted.join(" "),
            words.len() - 1,
            words[words.len() - 1]
        );
        run(&world, "bash", &["--norc"], &script)
    };
    let Some(all) = complete(&["shmutil", "stat", ""]) else {
        return;
    };
    assert_eq!(all, [r"a\ b", "a:b:c", "sensors"]);
    for command in ["save", "load", "copy", "dump", "keep", "remove"] {
        let names = complete(&["shmutil", command, "se"]).unwrap();
        assert_eq!(names, ["sensors"], "{command}");
    }
    for words in [
        ["shmutil", "stat", "--json", "se"],
        ["shmutil", "remove", "a b", "se"],
    ] {
        assert_eq!(complete(&words).unwrap(), ["sensors"]);
    }
    // Bash splits words at colons.
    assert_eq!(
        complete(&["shmutil", "stat", "a", ":", "b"]).unwrap(),
        ["b:c"]
    );
    assert_eq!(
        complete(&["shmutil", "stat", r"a\ "]).unwrap_or_default(),
        [r"a\ b"]
    );
    let elsewhere = ["shmutil", "--namespace", &other.namespace, "stat", ""];
    assert_eq!(complete(&elsewhere).unwrap(), ["theirs"]);
    // Readline adds a slash to a directory if it is told that words are file names.
    let path = world.write("names of files", b"");
    for option in ["--namespace", "--to"] {
        let found = complete(&["shmutil", "copy", "x", option, &path[..path.len() - 3]]).unwrap();
        assert_eq!(found, std::slice::from_ref(&path), "{option}");
    }
    // Everything else is completed as before.
    assert_eq!(complete(&["shmutil", "st"]).unwrap(), ["stat"]);
    assert_eq!(complete(&["shmutil", "stat", "--j"]).unwrap(), ["--json"]);
    for words in [
        &["shmutil", "save", "sensors", "se"][..],
        &["shmutil", "create", "se"],
        &["shmutil", "dump", "--offset", "se"],
    ] {
        assert!(
            !complete(words).unwrap().contains(&"sensors".to_owned()),
            "{words:?}"
        );
    }
}

#[test]
fn fish_completes_names() {
    let (world, other) = worlds();
    let complete = |line: &str| {
        let script = format!("source $COMPLETIONS; complete -C '{line}' | string split -f 1 \\t");
        run(&world, "fish", &["--no-config"], &script)
    };
    let Some(all) = complete("shmutil stat ") else {
        return;
    };
    assert_eq!(all, ["a b", "a:b:c", "sensors"]);
    for command in ["save", "load", "copy", "dump", "keep", "remove"] {
        let names = complete(&format!("shmutil {command} se")).unwrap();
        assert_eq!(names, ["sensors"], "{command}");
    }
    let elsewhere = format!("shmutil --namespace {} stat th", other.namespace);
    assert_eq!(complete(&elsewhere).unwrap(), ["theirs"]);
    assert_eq!(complete("shmutil st").unwrap(), ["stat"]);
    assert!(
        complete("shmutil stat --j")
            .unwrap()
            .contains(&"--json".to_owned())
    );
    for line in ["shmutil save sensors se", "shmutil create se"] {
        assert!(
            !complete(line).unwrap().contains(&"sensors".to_owned()),
            "{line}"
        );
    }
}

#[test]
fn zsh_completes_names() {
    let (world, other) = worlds();
    // Completes on a pseudoterminal, and prints the resulting line.
    let complete = |line: &str| {
        let script = format!(
            "zmodload zsh/zpty
            zpty -b zsh zsh -f -i
            send() {{ zpty -w zsh $1; }}
            send 'PS1=; autoload -Uz compinit; compinit -u -D; source $COMPLETIONS'
            send 'compdef _shmutil shmutil; show() {{ print -r -- \"RESULT<$BUFFER>\"; zle .send-break }}'
            send 'zle -N show; bindkey ^X show; setopt no_beep; echo READY'
            zpty -r -m zsh line '*READY*READY*'
            zpty -w -n zsh $'{line}\\t\\x18'
            zpty -r -m zsh line '*RESULT<*>*'
            print -r -- ${{${{line##*RESULT<}}%%>*}}
            zpty -d zsh"
        );
        run(&world, "zsh", &["-f"], &script).map(|lines| lines.join("\n"))
    };
    let Some(line) = complete("shmutil stat se") else {
        return;
    };
    assert_eq!(line, "shmutil stat sensors ");
    assert_eq!(complete("shmutil stat a:").unwrap(), "shmutil stat a:b:c ");
    assert_eq!(
        complete(&format!("shmutil --namespace {} remove t", other.namespace)).unwrap(),
        format!("shmutil --namespace {} remove theirs ", other.namespace)
    );
    assert_eq!(complete("shmutil create se").unwrap(), "shmutil create se");
}
