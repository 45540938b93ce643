import type { Place, Word } from './completion-table.js';

/** Writes the zsh script, with what each word means. */
export function zshScript(table: readonly Place[]): string {
  const steps = table.filter((place) => place.path !== '').map((place) => `' ${place.path}'`);
  const optionCases = table.flatMap((place) =>
    place.optionValues.map(
      ({ option, values }) => `    ('${place.path} ${option}') compadd -- ${values.join(' ')}; return ;;`,
    ),
  );
  const placeCases = table.map(
    (place) => `    ('${place.path}')
      words_here=(${[...place.commands.map(described), ...place.values.map((value) => `'${value}'`)].join(' ')})
      options_here=(${place.options.map(described).join(' ')})
      ;;`,
  );
  const valued = [...new Set(table.flatMap((place) => place.valued))];
  return `#compdef countersign
# zsh completion for countersign
_countersign() {
  local place='' word
  local -a words_here options_here
  for word in "\${(@)words[2,CURRENT-1]}"; do
    if [[ $word == -- ]]; then
      _default
      return
    fi
    case "$place $word" in
      (${steps.join(' | ')}) place="$place $word" ;;
    esac
  done
  place="\${place# }"
  case "$place \${words[CURRENT-1]}" in
${optionCases.join('\n')}
  esac
  case "\${words[CURRENT-1]}" in
    (${valued.join(' | ')}) _files; return ;;
  esac
  case "$place" in
${placeCases.join('\n')}
  esac
  if [[ \${words[CURRENT]} == -* ]]; then
    _describe -o option options_here
  elif (( \${#words_here} )); then
    _describe command words_here
  else
    _files
  fi
}
if [[ $funcstack[1] == _countersign ]]; then
  _countersign "$@"
else
  compdef _countersign countersign
fi`;
}

// A colon ends the word in _describe, and a quote the string.
function described({ text, meaning }: Word): string {
  return `'${text.replaceAll(':', '\\:')}:${meaning.replaceAll("'", "'\\''")}'`;
}
