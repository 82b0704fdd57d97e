/** What a person would read on the screen: no colours, no cursor moves, one kind of line end. */
export function consoleText(raw: string): string {
  return (
    raw
      // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with a control character
      .replace(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, '')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: as above; title sequences end with BEL or ST
      .replace(/\u001b\][^\u0007\u001b]*(\u0007|\u001b\\)/g, '')
      .replace(/\r+\n/g, '\n')
      .replace(/\r/g, '\n')
  );
}
