# Completes the name of a segment.
_shmutil_names() {
    local -a line_words namespace names
    local expl index
    # _arguments no longer knows options that precede the subcommand.
    line_words=("${(Q@)${(z)LBUFFER}}")
    index=${line_words[(I)--namespace*]}
    case $line_words[index] in
        (--namespace) namespace=(--namespace "$line_words[index + 1]") ;;
        (--namespace=*) namespace=("$line_words[index]") ;;
    esac
    names=("${(f)$(shmutil $namespace list --names 2>/dev/null)}")
    _wanted names expl segment compadd -a names
}

