/** Just enough XML to write: elements with attributes; text and attributes are escaped, nothing else exists. */
export type Xml = { name: string; attributes: Record<string, string | number>; children: (Xml | string)[] };

type Attributes = Record<string, string | number | undefined>;
type Child = Xml | string | undefined | readonly (Xml | undefined)[];

/** Undefined attributes and children are left out, so that a condition can stand where the thing would. */
export function xml(name: string, attributes: Attributes = {}, ...children: Child[]): Xml {
  const kept = Object.entries(attributes).filter(
    (entry): entry is [string, string | number] => entry[1] !== undefined,
  );
  return {
    name,
    attributes: Object.fromEntries(kept),
    children: children.flat().filter((child): child is Xml | string => child !== undefined),
  };
}

/** What no XML document can hold, not even escaped: it must not get this far. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const unwritable = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/;

function escapeText(text: string): string {
  if (unwritable.test(text)) throw new Error('a control character in XML');
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll("'", '&apos;')
    .replaceAll('"', '&quot;')
    .replaceAll('\t', '&#9;')
    .replaceAll('\n', '&#10;')
    .replaceAll('\r', '&#13;');
}

export function writeXml({ name, attributes, children }: Xml, indent = ''): string {
  const open = [
    name,
    ...Object.entries(attributes).map(([key, value]) => `${key}='${escapeText(`${value}`)}'`),
  ];
  if (children.length === 0) return `${indent}<${open.join(' ')}/>\n`;
  const [only] = children;
  if (children.length === 1 && typeof only === 'string')
    return `${indent}<${open.join(' ')}>${escapeText(only)}</${name}>\n`;
  const inner = children.map((child) =>
    typeof child === 'string' ? `${indent}  ${escapeText(child)}\n` : writeXml(child, `${indent}  `),
  );
  return `${indent}<${open.join(' ')}>\n${inner.join('')}${indent}</${name}>\n`;
}
