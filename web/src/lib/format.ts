/** Numbers, sizes and dates as people read them. */

const SCALES: readonly [number, string][] = [
  [1e12, 'T'],
  [1e9, 'B'],
  [1e6, 'M'],
  [1e3, 'k'],
];

/** Three significant figures: 7.03, 41.2, 812. */
function three(value: number): string {
  if (value >= 99.95) return Math.round(value).toString();
  return value >= 9.995 ? value.toFixed(1) : value.toFixed(2);
}

/** 812, 1,190, 41.2 k, 3.10 M. */
export function count(value: number): string {
  if (value < 10_000) return value.toLocaleString('en');
  for (const [size, unit] of SCALES) {
    if (value >= size) return `${three(value / size)} ${unit}`;
  }
  return String(value);
}

/** 8.03 B, 760 k. */
export function parameters(value: number): string {
  for (const [size, unit] of SCALES) {
    if (value >= size) return `${three(value / size)} ${unit}`;
  }
  return String(value);
}

/** 15.0 GiB, 1.45 MiB, 120 B. */
export function bytes(value: number): string {
  if (value < 1024) return `${value} B`;
  let scaled = value;
  for (const unit of ['KiB', 'MiB', 'GiB', 'TiB', 'PiB']) {
    scaled /= 1024;
    if (scaled < 1023.5) return `${three(scaled)} ${unit}`;
  }
  return `${three(scaled)} EiB`;
}

/** "1K<n<10K" of a card's metadata: "1 K to 10 K rows". */
export function rowCount(category: string): string {
  const spaced = (text: string): string => text.replace(/(\d)([KMBT])/, '$1 $2');
  const between = /^(\w+)<n<(\w+)$/.exec(category);
  if (between?.[1] && between[2]) return `${spaced(between[1])} to ${spaced(between[2])} rows`;
  if (category.startsWith('n<')) return `under ${spaced(category.slice(2))} rows`;
  if (category.startsWith('n>')) return `over ${spaced(category.slice(2))} rows`;
  return category;
}

// Maps and not objects, here and below: a card may name `constructor`, which every object has.
const BITS = new Map(Object.entries({ F64: 64, I64: 64, F32: 32, I32: 32, F16: 16, BF16: 16, I16: 16, F8_E4M3: 8, F8_E5M2: 8, I8: 8, U8: 8, BOOL: 8, F4: 4 }));

/** What weights of these counts by type take up; 0 when a type is not known. */
export function weightBytes(parameterCounts: Record<string, number>): number {
  let sum = 0;
  for (const [type, value] of Object.entries(parameterCounts)) {
    const bits = BITS.get(type);
    if (bits === undefined) return 0;
    sum += (value * bits) / 8;
  }
  return sum;
}

const STEPS: readonly [number, Intl.RelativeTimeFormatUnit][] = [
  [60, 'second'],
  [60, 'minute'],
  [24, 'hour'],
  [7, 'day'],
  [4.345, 'week'],
  [12, 'month'],
  [Infinity, 'year'],
];

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

/** "3 days ago", "yesterday", "just now". */
export function ago(when: string, now: number): string {
  let amount = (new Date(when).getTime() - now) / 1000;
  if (Math.abs(amount) < 45) return 'just now';
  for (const [size, unit] of STEPS) {
    if (Math.abs(amount) < size) return relative.format(Math.round(amount), unit);
    amount /= size;
  }
  return when;
}

/** "28 November 2026, 12:00" in the time of whoever looks. */
export function exact(when: string): string {
  return new Date(when).toLocaleString('en-GB', { dateStyle: 'long', timeStyle: 'short' });
}

export function day(when: string): string {
  return new Date(when).toLocaleDateString('en-GB', { dateStyle: 'long' });
}

/** Tasks whose words are names. */
const NAMED = new Map(Object.entries({
  'automatic-speech-recognition': 'Speech recognition',
  'sentence-similarity': 'Sentence similarity',
  'text-to-image': 'Text to image',
  'image-text-to-text': 'Image and text to text',
  'fill-mask': 'Fill mask',
}));

/** "text-generation": "Text generation". */
export function task(id: string): string {
  const named = NAMED.get(id);
  if (named) return named;
  const words = id.replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

const LIBRARIES = new Map(Object.entries({
  transformers: 'Transformers',
  diffusers: 'Diffusers',
  'sentence-transformers': 'Sentence Transformers',
  peft: 'PEFT',
  timm: 'timm',
  keras: 'Keras',
  gguf: 'GGUF',
  onnx: 'ONNX',
}));

export function library(id: string): string {
  return LIBRARIES.get(id) ?? id;
}

const languages = new Intl.DisplayNames(['en'], { type: 'language' });

/** "de": "German"; nothing for what is no language. */
export function language(code: string): string {
  if (!/^[a-z]{2,3}$/.test(code)) return '';
  try {
    const name = languages.of(code) ?? '';
    return name === code ? '' : name;
  } catch {
    return '';
  }
}

/** The first seven characters, as people name commits. */
export function shortHash(hash: string): string {
  return hash.slice(0, 7);
}
