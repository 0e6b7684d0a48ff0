/**
 * Turns what strangers wrote as markdown into nodes of the page: markdown-it, then DOMPurify, which is what keeps scripts
 * out; the pages' policy would stop them too. Maths and diagrams are drawn afterwards, by code that is fetched for them.
 */
import { tex } from '@mdit/plugin-tex';
import DOMPurify, { type Config } from 'dompurify';
import MarkdownIt from 'markdown-it';
import { highlight } from './highlight';
import { fileHref, type Kind } from './kinds';

export interface CardPlace {
  kind: Kind;
  id: string;
  revision: string;
  /** The folder that relative addresses begin at; '' is the root. */
  folder: string;
}

export interface Heading {
  level: number;
  text: string;
  anchor: string;
}

const POLICY: Config = {
  FORBID_TAGS: ['style', 'svg', 'math', 'form', 'iframe', 'template', 'input', 'button', 'textarea', 'select', 'dialog'],
  FORBID_ATTR: ['style', 'srcset', 'background', 'ping', 'target', 'autofocus', 'poster', 'usemap', 'popover', 'popovertarget'],
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|data:image\/(?:png|jpeg|gif|webp);|[^a-z]|[a-z+.-]+(?:[^a-z+.\-:]|$))/i,
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  // An id of a card cannot stand for one of the page's own names.
  SANITIZE_NAMED_PROPS: true,
  RETURN_DOM_FRAGMENT: true,
};

/** Text that only the steps after sanitising understand; the sanitiser sees plain elements. */
const MATHS = 'card-maths';
const MATHS_BLOCK = 'card-maths-block';

function makeMarkdown(): MarkdownIt {
  const markdown = new MarkdownIt({ html: true, linkify: true, typographer: false });
  // The columns' alignment as an attribute: the sanitiser takes every style away.
  for (const cell of ['th_open', 'td_open'] as const) {
    markdown.renderer.rules[cell] = (tokens, index, options, _, self) => {
      const token = tokens[index];
      const style = String(token?.attrGet('style') ?? '');
      if (token && style !== '') token.attrs = [['align', style.replace('text-align:', '')]];
      return self.renderToken(tokens, index, options);
    };
  }
  markdown.use(tex, {
    delimiters: 'all',
    render: (content: string, isBlock: boolean) => `<code class="${isBlock ? MATHS_BLOCK : MATHS}">${markdown.utils.escapeHtml(content)}</code>`,
  });
  return markdown;
}

let markdown: MarkdownIt | undefined;

/** Without the metadata between the lines of ---. */
export function bodyOf(text: string): string {
  const found = /^\uFEFF?---[ \t]*\r?\n[\s\S]*?\r?\n---[ \t]*(?:\r?\n|$)/.exec(text);
  return found ? text.slice(found[0].length) : text;
}

/** The card as nodes, and its headings. What takes longer is added by drawAll. */
export function renderCard(text: string, place: CardPlace): { content: DocumentFragment; headings: Heading[] } {
  markdown ??= makeMarkdown();
  const content = DOMPurify.sanitize(markdown.render(bodyOf(text)), POLICY) as unknown as DocumentFragment;
  for (const link of content.querySelectorAll('a[href]:not([href^="#"])')) mendLink(link, place);
  for (const image of content.querySelectorAll('img')) mendImage(image, place);
  for (const media of content.querySelectorAll('video, audio, source, track')) mendMedia(media, place);
  wrapTables(content);
  markTasks(content);
  const headings = nameHeadings(content);
  for (const link of content.querySelectorAll('a[href^="#"]')) mendAnchor(link, content);
  return { content, headings };
}

/** What a browser makes of an address; nothing of one like http://localhost:PORT. */
function urlOf(address: string): URL | undefined {
  return URL.canParse(address, location.href) ? new URL(address, location.href) : undefined;
}

/** Also for `https:/host` and `https:host`, which browsers read as `https://host`. */
function isElsewhere(url: URL): boolean {
  return /^https?:$/.test(url.protocol) && url.origin !== location.origin;
}

/** The file that a relative address means; undefined for others. */
function fileOf(address: string, place: CardPlace): { path: string; rest: string } | undefined {
  if (address === '' || /^(?:[a-z][a-z0-9+.-]*:|\/\/|#|\?)/i.test(address)) return undefined;
  const cut = address.search(/[?#]/);
  const rest = cut < 0 ? '' : address.slice(cut);
  const plain = cut < 0 ? address : address.slice(0, cut);
  const parts = plain.startsWith('/') ? [] : place.folder.split('/').filter((part) => part !== '');
  for (const part of plain.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(decode(part));
  }
  return { path: parts.join('/'), rest };
}

export function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function mendLink(link: Element, place: CardPlace): void {
  const address = link.getAttribute('href') ?? '';
  const url = urlOf(address);
  if (!url) {
    link.removeAttribute('href');
    return;
  }
  const file = fileOf(address, place);
  if (file) {
    link.setAttribute('href', (file.path === '' ? fileHref(place.kind, place.id, 'tree', place.revision)
      : fileHref(place.kind, place.id, 'blob', place.revision, file.path)) + (file.rest.startsWith('#') ? file.rest : ''));
  } else if (isElsewhere(url)) {
    link.setAttribute('rel', 'noopener noreferrer nofollow ugc');
  }
}

/** To a heading by its words, or to a name of the card's own, which the sanitiser has put its mark before. */
function mendAnchor(link: Element, content: DocumentFragment): void {
  const wanted = decode((link.getAttribute('href') ?? '').slice(1));
  const marked = `user-content-${wanted}`;
  const isNamed = [...content.querySelectorAll('[id], [name]')].some((at) => at.id === marked || at.getAttribute('name') === marked);
  link.setAttribute('href', `#${encodeURIComponent(isNamed ? marked : anchorOf(wanted))}`);
}

/** A picture of another host would tell it who reads the card: its place is kept, the picture is not fetched. */
function placeholderOf(url: URL, label: string): HTMLElement {
  const box = document.createElement('span');
  box.className = 'card-outside';
  const link = document.createElement('a');
  link.href = url.href;
  link.rel = 'noopener noreferrer nofollow ugc';
  link.textContent = url.host;
  box.append(label === '' ? 'A picture at ' : `${label}: a picture at `, link);
  return box;
}

function mendImage(image: Element, place: CardPlace): void {
  const address = image.getAttribute('src') ?? '';
  const url = urlOf(address);
  if (!url) {
    image.replaceWith(image.getAttribute('alt') ?? '');
    return;
  }
  if (isElsewhere(url)) {
    const box = placeholderOf(url, image.getAttribute('alt') ?? '');
    // A link around it stays the link; one inside of another is none.
    if (image.closest('a')) box.replaceChildren(box.textContent ?? '');
    image.replaceWith(box);
    return;
  }
  const file = fileOf(address, place);
  if (file) image.setAttribute('src', fileHref(place.kind, place.id, 'resolve', place.revision, file.path));
  image.setAttribute('loading', 'lazy');
  image.setAttribute('decoding', 'async');
  if (!image.hasAttribute('alt')) image.setAttribute('alt', '');
}

function mendMedia(media: Element, place: CardPlace): void {
  const address = media.getAttribute('src');
  if (address === null) return;
  const url = urlOf(address);
  if (!url) {
    media.remove();
    return;
  }
  if (isElsewhere(url)) {
    const box = placeholderOf(url, '');
    if (media.matches('video, audio')) media.replaceWith(box);
    else media.remove();
    return;
  }
  const file = fileOf(address, place);
  if (file) media.setAttribute('src', fileHref(place.kind, place.id, 'resolve', place.revision, file.path));
  if (media.matches('video, audio')) {
    media.removeAttribute('autoplay');
    media.setAttribute('controls', '');
    media.setAttribute('preload', 'metadata');
  }
}

/** A wide table scrolls by itself, also by the keyboard. */
function wrapTables(content: DocumentFragment): void {
  for (const table of content.querySelectorAll('table')) {
    const box = document.createElement('div');
    box.className = 'card-table';
    box.tabIndex = 0;
    box.role = 'region';
    box.ariaLabel = 'Table';
    table.replaceWith(box);
    box.append(table);
    for (const cell of table.querySelectorAll('[align]')) cell.classList.add(`align-${cell.getAttribute('align') === 'right' ? 'right' : 'other'}`);
  }
}

/** "[x] done" at the beginning of a list's item. */
function markTasks(content: DocumentFragment): void {
  for (const item of content.querySelectorAll('li')) {
    const text = item.firstChild instanceof HTMLParagraphElement ? item.firstChild.firstChild : item.firstChild;
    if (!(text instanceof Text)) continue;
    const found = /^\[([ xX])\] /.exec(text.data);
    if (!found) continue;
    text.data = text.data.slice(found[0].length);
    const isDone = found[1] !== ' ';
    const mark = document.createElement('span');
    mark.className = isDone ? 'card-task is-done' : 'card-task';
    mark.role = 'img';
    mark.ariaLabel = isDone ? 'Done:' : 'Not done:';
    mark.textContent = isDone ? '✓' : '';
    text.before(mark);
    item.classList.add('card-task-item');
  }
}

function anchorOf(text: string): string {
  return `card-${text.toLowerCase().replaceAll(/[^\p{Letter}\p{Number}]+/gu, '-').replaceAll(/^-|-$/g, '')}`;
}

function nameHeadings(content: DocumentFragment): Heading[] {
  const found: Heading[] = [];
  const taken = new Set<string>();
  for (const heading of content.querySelectorAll('h1, h2, h3, h4, h5, h6')) {
    const text = heading.textContent?.trim() ?? '';
    let anchor = anchorOf(text);
    for (let number = 2; taken.has(anchor); ++number) anchor = `${anchorOf(text)}-${number}`;
    taken.add(anchor);
    if (heading.id !== '') {
      // A link may name it as the card does.
      const mark = document.createElement('span');
      mark.id = heading.id;
      heading.prepend(mark);
    }
    heading.id = anchor;
    if (text !== '') found.push({ level: Number(heading.tagName.slice(1)), text, anchor });
  }
  return found;
}

/** Sets the maths, colours the code and draws the diagrams of a card that is on the page. */
export async function drawAll(content: ParentNode, theme: 'light' | 'dark'): Promise<void> {
  whenSeen(content.querySelectorAll('pre > code.language-mermaid'), (places) => drawDiagrams(places, theme));
  whenSeen(content.querySelectorAll(`.${MATHS}, .${MATHS_BLOCK}`), drawMaths);
  await drawCode(content);
}

/** As MathML, which browsers set themselves: no styles, no fonts to fetch. */
async function drawMaths(places: Element[]): Promise<void> {
  const { default: katex } = await import('katex');
  for (const place of places) {
    const isBlock = place.classList.contains(MATHS_BLOCK);
    const box = document.createElement('span');
    box.className = isBlock ? 'maths-block' : 'maths';
    katex.render(place.textContent ?? '', box, {
      output: 'mathml', displayMode: isBlock, throwOnError: false, trust: false, strict: 'ignore', maxExpand: 200, maxSize: 20,
    });
    if (isBlock) box.tabIndex = 0;
    place.replaceWith(box);
  }
}

async function drawCode(content: ParentNode): Promise<void> {
  await Promise.all([...content.querySelectorAll('pre > code')].map(async (code) => {
    const language = /(?:^|\s)language-([^\s]+)/.exec(code.className)?.[1] ?? '';
    const pre = code.parentElement;
    if (pre) pre.tabIndex = 0;
    if (language === 'mermaid') return;
    const html = await highlight(code.textContent ?? '', language);
    if (html !== undefined) code.innerHTML = html; // All text in it is escaped by the highlighter.
  }));
}

let diagramCount = 0;

/** How far below the window something is when it begins to be drawn. */
const AHEAD_PX = 100;

/** Maths and diagrams as they come near: what draws them is larger than all else of the page together. */
function whenSeen(places: Iterable<Element>, draw: (seen: Element[]) => Promise<void>): void {
  const watch = new IntersectionObserver((entries) => {
    const seen = entries.filter((entry) => entry.isIntersecting).map((entry) => entry.target);
    for (const place of seen) watch.unobserve(place);
    if (seen.length > 0) void draw(seen);
  }, { rootMargin: `${AHEAD_PX}px` });
  for (const place of places) watch.observe(place);
}

/** As pictures: what a diagram holds is then no part of this page. */
async function drawDiagrams(places: Element[], theme: 'light' | 'dark'): Promise<void> {
  const { default: mermaid } = await import('mermaid');
  mermaid.initialize({
    startOnLoad: false, securityLevel: 'strict', htmlLabels: false, flowchart: { htmlLabels: false, wrappingWidth: 400 }, theme: theme === 'dark' ? 'dark' : 'neutral',
    fontFamily: 'system-ui, sans-serif', maxTextSize: 20_000, suppressErrorRendering: true,
  });
  for (const place of places) {
    const source = place.textContent ?? '';
    diagramCount += 1;
    try {
      const { svg } = await mermaid.render(`diagram-${diagramCount}`, source);
      const image = document.createElement('img');
      image.className = 'card-diagram';
      image.alt = `Diagram: ${source.slice(0, 400)}`;
      const box = /viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"/.exec(svg);
      if (box) {
        image.width = Math.ceil(Number(box[1]));
        image.height = Math.ceil(Number(box[2]));
      }
      image.src = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
      place.parentElement?.replaceWith(image);
    } catch {
      // What is no diagram stays as it was written.
    }
  }
}

