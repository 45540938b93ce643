import type { Place } from './completion-table.js';

/** Writes the bash script: it follows the words typed so far down the table, then offers what can follow. */
export function bashScript(table: readonly Place[]): string {
  const steps = table.filter((place) => place.path !== '').map((place) => `' ${place.path}'`);
  const optionCases = table.flatMap((place) =>
    place.optionValues.map(({ option, values }) => `    '${place.path} ${option}') words='${values.join(' ')}' ;;`),
  );
  const placeCases = table.map((place) => {
    const commands = place.commands.map((word) => word.text);
    const options = place.options.map((word) => word.text);
    return `    '${place.path}') words='${[...commands, ...place.values].join(' ')}'; options='${options.join(' ')}' ;;`;
  });
  const valued = [...new Set(table.flatMap((place) => place.valued))];
  return `# bash completion for countersign
_countersign() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local path='' words='' options='' word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    [[ $word == -- ]] && return
    case "$path $word" in
      ${steps.join(' | ')}) path="$path $word" ;;
    esac
  done
  path="\${path# }"
  case "$path $previous" in
${optionCases.join('\n')}
  esac
  if [[ -n $words ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    return
  fi
  case "$previous" in
    ${valued.join(' | ')}) return ;;
  esac
  case "$path" in
${placeCases.join('\n')}
  esac
  [[ $current == -* ]] && words="$options"
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _countersign countersign`;
}
