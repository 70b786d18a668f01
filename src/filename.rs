//! libgpl's file name translation: `~`, `$NAME` and `${NAME}`.

#![forbid(unsafe_code)]

use std::ffi::{CStr, CString};
use std::os::unix::ffi::OsStrExt as _;

use crate::allocate::{require_memory_for, try_to_vec};
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::os;
use crate::quoted::Quoted;

/// The longest result in bytes. `PATH_MAX` includes the NUL.
const LONGEST: usize = libc::PATH_MAX as usize - 1;

/// The limit on replacements. Variables that refer to each other, but contain nothing
/// else, would otherwise be replaced forever without reaching [`LONGEST`].
const MOST_REPLACEMENTS: usize = 1000;

/// Translates a file name with the present values of environment variables.
///
/// `ELOOP` if a variable's value refers to the variable itself, `ENAMETOOLONG` if the
/// result or a value has `PATH_MAX` bytes or more, `ENOMEM` if memory is short.
pub(crate) fn translate(name: &[u8]) -> Result<Vec<u8>> {
    let failed = |errno: Errno| errno.during(format_args!("translate {}", Quoted(name)));
    if !name.iter().any(|byte| matches!(byte, b'~' | b'$')) && name.len() <= LONGEST {
        // Most names have nothing to translate.
        return try_to_vec(name).map_err(failed);
    }
    require_memory_for(name.len()).map_err(failed)?;
    // Each variable is read once.
    let mut known: Vec<(CString, Option<Vec<u8>>)> = Vec::new();
    translate_with(name, |name| {
        // A variable cannot have a name that contains a NUL.
        let Ok(name) = CString::new(name) else {
            return Ok(None);
        };
        let value = match known.iter().find(|(known, _)| *known == name) {
            Some((_, Some(value))) => Some(try_to_vec(value).map_err(failed)?),
            Some((_, None)) => None,
            None => {
                let value = variable(&name)?;
                let copy = value.as_deref().map(try_to_vec).transpose();
                known
                    .try_reserve(1)
                    .map_err(|_| failed(Errno(libc::ENOMEM)))?;
                known.push((name, copy.map_err(failed)?));
                value
            }
        };
        Ok(value)
    })
}

/// A copy of the present value of a variable; `None` if it is not set or may not be read,
/// see [`os::variable`]. `ENAMETOOLONG` if it has `PATH_MAX` bytes or more.
pub(crate) fn variable(name: &CStr) -> Result<Option<Vec<u8>>> {
    let failed = |errno: Errno| errno.during(format_args!("read {}", Quoted(name.to_bytes())));
    let mut buffer = [0; LONGEST + 1];
    match os::variable(name, &mut buffer) {
        Some(value) if value.len() > LONGEST => Err(failed(Errno(libc::ENAMETOOLONG))),
        Some(value) => try_to_vec(value).map(Some).map_err(failed),
        None => Ok(None),
    }
}

/// A value that has replaced its variable, and is not completely read yet.
struct Replacement {
    variable: Vec<u8>,
    /// The number of unread bytes behind the value.
    rest: usize,
}

pub(crate) fn translate_with(
    name: &[u8],
    mut value_of: impl FnMut(&[u8]) -> Result<Option<Vec<u8>>>,
) -> Result<Vec<u8>> {
    let mut done = Vec::new();
    // The text in reverse order, so that a value, which is translated in turn, can be
    // appended in place of its variable.
    let mut unread: Vec<u8> = name.iter().rev().copied().collect();
    let mut open: Vec<Replacement> = Vec::new();
    let mut replacements = 0;
    while let Some(&first) = unread.last() {
        open.retain(|replacement| replacement.rest < unread.len());
        let found = match reference(&done, &unread) {
            Some((variable, length)) => match value_of(&variable)? {
                Some(value) => Some((variable, length, value)),
                None if first == b'~' => None,
                None => Some((variable, length, Vec::new())),
            },
            None => None,
        };
        let Some((variable, length, value)) = found else {
            done.push(first);
            unread.pop();
            if done.len() > LONGEST {
                return Err(too_long(name));
            }
            continue;
        };
        replacements += 1;
        if replacements > MOST_REPLACEMENTS
            || open
                .iter()
                .any(|replacement| replacement.variable == variable)
        {
            return Err(Error::new(
                libc::ELOOP,
                format_args!(
                    "translate {}: the value of {} refers to itself",
                    Quoted(name),
                    Quoted(&variable)
                ),
            ));
        }
        let rest = unread.len() - length;
        unread.truncate(rest);
        unread.extend(value.iter().rev());
        open.push(Replacement { variable, rest });
    }
    Ok(done)
}

fn too_long(name: &[u8]) -> Error {
    Error::new(
        libc::ENAMETOOLONG,
        format_args!(
            "translate {}: the result is longer than {LONGEST} bytes",
            Quoted(name.get(..200).unwrap_or(name))
        ),
    )
}

/// The variable that the unread text, which is reversed, begins with, and the length of
/// the reference to it.
fn reference(done: &[u8], unread: &[u8]) -> Option<(Vec<u8>, usize)> {
    let before = done.last();
    match unread {
        [.., b'~'] if matches!(before, None | Some(b':')) => Some((b"HOME".to_vec(), 1)),
        [rest @ .., b'$'] if !before.is_some_and(u8::is_ascii_alphanumeric) => {
            let until = |text: &[u8], ends: &[u8]| -> Option<Vec<u8>> {
                let length = text.iter().rev().position(|byte| ends.contains(byte))?;
                Some(text.iter().rev().take(length).copied().collect())
            };
            if let [braced @ .., b'{'] = rest {
                if let Some(variable) = until(braced, b"}") {
                    let length = variable.len() + 3;
                    return Some((variable, length));
                }
            }
            let variable =
                until(rest, b"$./:[").unwrap_or_else(|| rest.iter().rev().copied().collect());
            let length = variable.len() + 1;
            Some((variable, length))
        }
        _ => None,
    }
}

/// The absolute path of a file name, found without looking at any file: the current
/// directory precedes a relative name, and `.`, `..` and doubled slashes are removed.
pub(crate) fn absolute(name: &[u8]) -> Result<Vec<u8>> {
    let is_relative = name.first() != Some(&b'/');
    let longest = name.len() + if is_relative { LONGEST } else { 0 };
    require_memory_for(longest)
        .map_err(|errno| errno.during(format_args!("make an absolute path of {}", Quoted(name))))?;
    let mut path = Vec::new();
    if is_relative {
        let directory = std::env::current_dir().map_err(|error| {
            Error::new(
                error.raw_os_error().unwrap_or(libc::ENOENT),
                format_args!(
                    "find the current directory, for the relative path {}",
                    Quoted(name)
                ),
            )
        })?;
        path.extend_from_slice(directory.as_os_str().as_bytes());
        path.push(b'/');
    }
    path.extend_from_slice(name);
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let mut result = vec![b'/'];
    result.extend_from_slice(&parts.join(&b'/'));
    if result.len() > LONGEST {
        return Err(too_long(name));
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    // The function that it replaces can fail.
    #[allow(clippy::unnecessary_wraps)]
    fn value_of(variable: &[u8]) -> Result<Option<Vec<u8>>> {
        let value: Option<&[u8]> = match variable {
            b"HOME" => Some(b"/home/me"),
            b"DIR" => Some(b"/data"),
            b"A-B" => Some(b"/a-b"),
            b"OUTER" => Some(b"$DIR/inner"),
            b"TILDE" => Some(b"~/t"),
            b"SLASH" => Some(b"/s/"),
            b"LOOP" => Some(b"x/$LOOP"),
            b"PING" => Some(b"/$PONG"),
            b"PONG" => Some(b"/$PING"),
            b"NOTHING" => Some(b""),
            b"TWICE" => Some(b"$DIR$DIR/$DIR"),
            b"LONG" => return Ok(Some(vec![b'x'; 3000])),
            _ => None,
        };
        Ok(value.map(<[u8]>::to_vec))
    }

    fn translated(name: &str) -> std::result::Result<String, i32> {
        translate_with(name.as_bytes(), value_of)
            .map(|result| String::from_utf8(result).unwrap())
            .map_err(|error| error.errno())
    }

    proptest! {
        #[test]
        fn a_name_with_nothing_to_translate_is_copied(name in "[^~$\\x00]{0,60}") {
            prop_assert_eq!(translate(name.as_bytes()).unwrap(), name.as_bytes());
            prop_assert_eq!(translated(&name).unwrap(), name);
        }
    }

    #[test]
    fn a_long_name_with_nothing_to_translate_is_refused() {
        assert_eq!(translate(&[b'x'; LONGEST]).unwrap().len(), LONGEST);
        let too_long = translate(&[b'x'; LONGEST + 1]).unwrap_err();
        assert_eq!(too_long.errno(), libc::ENAMETOOLONG);
    }

    #[test]
    fn file_names_are_translated_as_libgpl_does() {
        for (name, result) in [
            ("", ""),
            ("plain", "plain"),
            ("/abs/file.007", "/abs/file.007"),
            ("~", "/home/me"),
            ("~/x", "/home/me/x"),
            ("~x", "/home/mex"),
            ("a~", "a~"),
            ("host:~/x", "host:/home/me/x"),
            ("/~", "/~"),
            ("$DIR/run-1.dat", "/data/run-1.dat"),
            ("$A-B/x", "/a-b/x"),
            ("$DIR.x", "/data.x"),
            ("$DIR[1]", "/data[1]"),
            ("$DIR:x", "/data:x"),
            ("x$DIR", "x$DIR"),
            ("9$DIR", "9$DIR"),
            ("x/$DIR", "x//data"),
            ("_$DIR", "_/data"),
            ("$MISSING/x", "/x"),
            ("$", ""),
            ("$/x", "/x"),
            ("$$DIR", "/data"),
            ("$SLASH$DIR", "/s//data"),
            ("$NOTHING$DIR", "/data"),
            ("$OUTER", "/data/inner"),
            ("$TILDE", "/home/me/t"),
            ("${DIR}x", "/datax"),
            ("${DIR}/x", "/data/x"),
            ("${MISSING}x", "x"),
            ("${DIR", ""),
            ("$DIR/$DIR", "/data//data"),
        ] {
            assert_eq!(translated(name).as_deref(), Ok(result), "{name}");
        }
    }

    #[test]
    fn a_variable_that_refers_to_itself_is_eloop() {
        for name in ["$LOOP", "a/$LOOP", "$PING", "${PONG}"] {
            assert_eq!(translated(name), Err(libc::ELOOP), "{name}");
        }
    }

    #[test]
    fn the_same_variable_twice_is_not_a_loop() {
        assert_eq!(
            translated("$DIR/$DIR/$OUTER").as_deref(),
            Ok("/data//data//data/inner")
        );
    }

    #[test]
    fn variables_that_refer_to_each_other_do_not_take_for_ever() {
        // 2 to the power of 40 replacements that yield no byte.
        let result = translate_with(b"$V40", |variable| {
            let level: u32 = std::str::from_utf8(&variable[1..])
                .unwrap()
                .parse()
                .unwrap();
            Ok((level > 0).then(|| format!("$V{0}$V{0}", level - 1).into_bytes()))
        });
        assert_eq!(result.unwrap_err().errno(), libc::ELOOP);
    }

    #[test]
    fn a_result_longer_than_path_max_is_enametoolong() {
        assert_eq!(translated("$LONG/$LONG"), Err(libc::ENAMETOOLONG));
        assert_eq!(translated(&"x".repeat(4096)), Err(libc::ENAMETOOLONG));
        assert_eq!(translated(&"x".repeat(4095)).unwrap().len(), 4095);
    }

    #[test]
    fn a_tilde_stays_if_home_is_not_set() {
        let result = translate_with(b"~/x:~", |_| Ok(None));
        assert_eq!(result.unwrap(), b"~/x:~");
    }

    #[test]
    fn paths_become_absolute_and_normal() {
        assert_eq!(absolute(b"/a//b/./c/../d/").unwrap(), b"/a/b/d");
        assert_eq!(absolute(b"/../..").unwrap(), b"/");
        let here = std::env::current_dir().unwrap();
        assert_eq!(
            absolute(b"x").unwrap(),
            here.join("x").as_os_str().as_bytes()
        );
    }

    proptest! {
        #[test]
        fn every_name_is_translated_or_refused(name in "[$~{}a-c/:.\\[]{0,40}") {
            let value = |variable: &[u8]| Ok(match variable {
                b"a" => Some(b"~$b".to_vec()),
                b"b" => Some(b"c".to_vec()),
                b"ab" => Some(b"$a$ab".to_vec()),
                b"HOME" => Some(b"/$c".to_vec()),
                _ => None,
            });
            if let Err(error) = translate_with(name.as_bytes(), value) {
                prop_assert!([libc::ELOOP, libc::ENAMETOOLONG].contains(&error.errno()));
            }
        }
    }
}
