
# Completes the first argument of commands that take the name of a segment, and each argument of
# remove.
_shmutil_or_names() {
    local command='' current='' name option prefix i count=0
    local -a namespace=()

    # A slash at the end decides what a namespace is, so directories are completed with it.
    if ((COMP_CWORD > 0)); then
        case ${COMP_WORDS[COMP_CWORD - 1]} in
            --namespace | --to)
                COMPREPLY=()
                while IFS= read -r name; do
                    COMPREPLY+=("$name")
                done < <(compgen -f -- "$2")
                compopt -o filenames 2>/dev/null
                return
                ;;
        esac
    fi

    for ((i = 1; i <= COMP_CWORD; i++)); do
        current=${COMP_WORDS[i]}
        # Bash splits words at : and =, but names may contain these.
        while ((i < COMP_CWORD)) && [[ ${COMP_WORDS[i + 1]} == [:=]* || $current == *[:=] ]]; do
            ((++i))
            current+=${COMP_WORDS[i]}
        done
        ((i == COMP_CWORD)) && break
        case $current in
            --namespace) ((++i)); namespace=(--namespace "${COMP_WORDS[i]}") ;;
            --namespace=*) namespace=("$current") ;;
            --id | --offset | --length | --diff | --size | --mode | --to | --as) ((++i)) ;;
            -*) ;;
            *) if [[ -z $command ]]; then command=$current; else ((++count)); fi ;;
        esac
    done

    case $command in
        stat | save | load | copy | dump | keep | remove) ;;
        *) command='' ;;
    esac
    [[ $command == remove ]] && count=0
    if [[ -z $command || $count -gt 0 || $current == -* || $i -gt $COMP_CWORD ]]; then
        _shmutil "$@"
        return
    fi

    COMPREPLY=()
    # Readline replaces only what follows the last : or =.
    prefix=${current%"${current##*[:=]}"}
    while IFS= read -r name; do
        case $current in
            \'* | \"*) option=${current:0:1}$name ;;
            *) printf -v option %q "$name" ;;
        esac
        if [[ $option == "$current"* ]]; then
            option=${option#"$prefix"}
            COMPREPLY+=("${option#[\'\"]}")
        fi
    done < <("$1" "${namespace[@]}" list --names 2>/dev/null)
    compopt +o bashdefault +o default 2>/dev/null
}

complete -F _shmutil_or_names -o bashdefault -o default shmutil
