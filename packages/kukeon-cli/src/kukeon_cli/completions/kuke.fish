# Completion of kuke for fish. Everything that is offered comes from `kuke __complete`.

function __kuke_complete
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    set -l current (commandline --current-token --cut-at-cursor)
    set -l found ($words[1] __complete $words[2..] "$current" 2>/dev/null)
    test (count $found) -gt 0; or return
    if test (count $found) -eq 1
        test "$found[-1]" = ":0"; and __fish_complete_path "$current"
        return
    end
    printf '%s\n' $found[1..-2]
end

complete --command kuke --no-files --keep-order --arguments '(__kuke_complete)'
