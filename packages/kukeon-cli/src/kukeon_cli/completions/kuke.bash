# Completion of kuke for bash. Everything that is offered comes from `kuke __complete`.

_kuke() {
    local line=${COMP_LINE:0:COMP_POINT} program=${1/#\~/$HOME}
    local -a words=() found=()
    # bash's own words end at = and :, which are parts of our flags and image references.
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    mapfile -t found < <("$program" __completeNoDesc "${words[@]:1}" 2>/dev/null)
    COMPREPLY=()
    ((${#found[@]})) || return 0
    local directive=${found[-1]}
    unset 'found[-1]'
    if [[ $directive == :0 && ${#found[@]} -eq 0 ]]; then
        compopt -o default 2>/dev/null
        return 0
    fi
    # readline replaces what follows the last character that it breaks words at.
    local word=${words[-1]} kept=""
    [[ $word == *[=:]* ]] && kept=${word%"${word##*[=:]}"}
    local each
    for each in "${found[@]}"; do
        COMPREPLY+=("${each#"$kept"}")
    done
}

complete -o nosort -F _kuke kuke
