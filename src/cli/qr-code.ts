/** A QR code in half blocks. With colour it is dark on light whatever the terminal's own colours are. */
export async function qrCode(text: string, hasColour: boolean): Promise<string> {
  const { renderUnicodeCompact } = await import('uqr');
  const lines = renderUnicodeCompact(text, { border: 2 }).split('\n');
  return lines.map((line) => (hasColour ? `\u001b[97;40m${line}\u001b[0m` : line)).join('\n');
}
