#compdef kuke
# Completion of kuke for zsh. Everything that is offered comes from `kuke __complete`.

_kuke() {
    local -a found described
    local each value directive
    found=("${(@f)$(${(Q)words[1]} __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
    directive=${found[-1]}
    found[-1]=()
    for each in "${found[@]}"; do
        [[ -n $each ]] || continue
        # A colon ends the word for _describe.
        value=${${each%%$'\t'*}//:/\\:}
        if [[ $each == *$'\t'* ]]; then
            described+=("$value:${each#*$'\t'}")
        else
            described+=("$value")
        fi
    done
    if (( $#described )); then
        _describe -V kuke described
    elif [[ $directive == :0 ]]; then
        _files
    fi
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    # Found in fpath: this file is the function.
    _kuke "$@"
else
    compdef _kuke kuke
fi
