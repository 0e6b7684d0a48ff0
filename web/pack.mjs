// node pack.mjs SITE OUT: makes one file of the built site for the program, each of its files as it is and compressed,
// and the table of what stands where. The shell's inline script moves into a file of its own, so that the pages' policy
// needs to allow none.
import { createHash } from 'node:crypto';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { extname, join, relative } from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const [site, out] = process.argv.slice(2);

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml; charset=utf-8',
  '.woff2': 'font/woff2',
};
const SMALLEST = 256; // Below, compressing saves nothing.

function hashOf(bytes) {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 20);
}

/** The site's files by path. */
function filesOf(folder) {
  const found = new Map();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    found.set(relative(folder, path), readFileSync(path));
  }
  return found;
}

/** Takes the one inline script out of the shell and gives the two shells. */
function takeScriptOut(files) {
  const html = files.get('index.html').toString();
  files.delete('index.html');
  const inline = [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)];
  if (inline.length !== 1) throw new Error(`the shell has ${inline.length} inline scripts, not one`);
  const [whole, code] = inline[0];
  const path = `_app/immutable/boot.${hashOf(code)}.js`;
  files.set(path, Buffer.from(code.trim() + '\n'));
  const shell = html.replace(whole, () => `<script src="/${path}"></script>`);
  if (/<script(?![^>]* src=)|\son\w+=|javascript:/i.test(shell)) throw new Error('the shell has an inline script');
  files.set('shell.html', Buffer.from(shell));
  files.set('shell-signed-in.html', Buffer.from(shell.replace('<html ', '<html data-signed-in ')));
}

const files = filesOf(site);
takeScriptOut(files);

const pieces = [];
let offset = 0;
function place(bytes) {
  if (bytes === null) return '{}';
  pieces.push(bytes);
  const at = offset;
  offset += bytes.length;
  return `{${at}, ${bytes.length}}`;
}

const rows = [];
const paths = [...files.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
for (const path of paths) {
  const bytes = files.get(path);
  const type = TYPES[extname(path)];
  if (!type) throw new Error(`no content type is known for ${path}`);
  const worthIt = (packed) => (packed.length < bytes.length * 0.95 ? packed : null);
  const small = bytes.length < SMALLEST || type === TYPES['.woff2'];
  const gzip = small ? null : worthIt(gzipSync(bytes, { level: 9 }));
  const brotli = small ? null : worthIt(brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
  }));
  const immutable = path.startsWith('_app/immutable/');
  rows.push(`    {${JSON.stringify(path)}, ${JSON.stringify(type)}, "${hashOf(bytes)}", ${immutable},\n` +
    `     ${place(bytes)}, ${place(gzip)}, ${place(brotli)}},`);
}

writeFileSync(join(out, 'site.pack'), Buffer.concat(pieces));
writeFileSync(join(out, 'site_pack.S'), `// Made by web/pack.mjs.
    .section .rodata
    .global hearth_site_pack
    .type hearth_site_pack, @object
    .balign 16
hearth_site_pack:
    .incbin "${join(out, 'site.pack')}"
    .size hearth_site_pack, . - hearth_site_pack
    .section .note.GNU-stack, "", @progbits
`);
writeFileSync(join(out, 'site_data.cc'), `// Made by web/pack.mjs.
#include "pages/site_data.h"

namespace hearth::pages {

std::span<const PackedFile> packed_files() {
  static constexpr PackedFile kFiles[] = {
${rows.join('\n')}
  };
  return kFiles;
}

}  // namespace hearth::pages
`);
