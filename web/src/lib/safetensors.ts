/** The header of a safetensors file: what tensors it holds. Only the header is fetched. */
import { fileBytes } from './api';

export interface Tensor {
  name: string;
  dtype: string;
  shape: number[];
  sizeBytes: number;
}

const HEADER_BYTES_MAX = 8 * 1024 * 1024;

/** undefined: this is no such file, or its header is too long to show. */
export async function readTensors(href: string, signal: AbortSignal): Promise<Tensor[] | undefined> {
  const head = new DataView(await fileBytes(href, 0, 8, signal));
  if (head.byteLength < 8) return undefined;
  const length = head.getBigUint64(0, true);
  if (length > BigInt(HEADER_BYTES_MAX)) return undefined;
  const text = new TextDecoder().decode(await fileBytes(href, 8, 8 + Number(length), signal));
  try {
    return tensorsOf(JSON.parse(text) as unknown);
  } catch {
    return undefined;
  }
}

function tensorsOf(header: unknown): Tensor[] | undefined {
  if (typeof header !== 'object' || header === null) return undefined;
  const found: Tensor[] = [];
  for (const [name, value] of Object.entries(header as Record<string, unknown>)) {
    if (name === '__metadata__') continue;
    const entry = value as { dtype?: unknown; shape?: unknown; data_offsets?: unknown };
    const [begin, end] = Array.isArray(entry.data_offsets) ? (entry.data_offsets as unknown[]) : [];
    if (typeof entry.dtype !== 'string' || !Array.isArray(entry.shape) || typeof begin !== 'number' || typeof end !== 'number') return undefined;
    found.push({ name, dtype: entry.dtype, shape: (entry.shape as unknown[]).map(Number), sizeBytes: end - begin });
  }
  return found;
}
