import type { Place } from './completion-table.js';

/** Writes the fish script: one line for each word that can stand at a place. */
export function fishScript(table: readonly Place[]): string {
  const paths = table.filter((place) => place.path !== '').map((place) => quoted(place.path));
  return `# fish completion for countersign
function __countersign_at
    set -l place ''
    set -l words (commandline -opc)
    set -e words[1]
    for word in $words
        test "$word" = --; and return 1
        set -l next (string trim -- "$place $word")
        contains -- "$next" ${paths.join(' ')}; and set place "$next"
    end
    test "$place" = "$argv[1]"
end
${table.flatMap(placeLines).join('\n')}`;
}

function placeLines(place: Place): string[] {
  const at = `complete -c countersign -n ${quoted(`__countersign_at ${quoted(place.path)}`)}`;
  const commands = place.commands.map(({ text, meaning }) => `${at} -f -a ${quoted(text)} -d ${quoted(meaning)}`);
  const values = place.values.length > 0 ? [`${at} -f -a ${quoted(place.values.join(' '))}`] : [];
  const options = place.options.map(({ text, meaning }) => {
    const few = place.optionValues.find(({ option }) => option === text);
    const argument = few ? ` -x -a ${quoted(few.values.join(' '))}` : place.valued.includes(text) ? ' -r' : '';
    return `${at} -l ${text.replace(/^--/, '')}${argument} -d ${quoted(meaning)}`;
  });
  return [...commands, ...values, ...options];
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
