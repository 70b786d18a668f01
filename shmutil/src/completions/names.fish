
# Whether the next argument is the name of a segment: the first one after the
# subcommand, or any one after remove.
function __fish_shmutil_needs_name
    set -l words (commandline -opc)
    set -e words[1]
    argparse -i 'namespace=' 'id=' 'offset=' 'length=' 'diff=' 'size=' 'mode=' 'to=' 'as=' -- $words 2>/dev/null
    or return
    set -l arguments (string match -v -- '-*' $argv)
    test "$arguments[1]" = remove
    and return
    test (count $arguments) -eq 1
    and contains -- $arguments[1] stat save load copy dump keep
end

function __fish_shmutil_names
    set -l words (commandline -opc)
    set -e words[1]
    argparse -i 'namespace=' -- $words 2>/dev/null
    set -q _flag_namespace
    and set -lx NOB_DATABASE $_flag_namespace
    shmutil list --names 2>/dev/null
end

complete -c shmutil -n __fish_shmutil_needs_name -f -a '(__fish_shmutil_names)'
