/** Something that is fetched, and fetched again when what it depends on changes. */
import { ApiError, page as nextPage, type Page } from './api';

function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(0, String(error), '', '');
}

export class Resource<T> {
  /** What came last; it stays while the next is on its way, so that nothing jumps. */
  value = $state.raw<T | undefined>(undefined);
  error = $state.raw<ApiError | undefined>(undefined);
  isLoading = $state(true);
  private attempt = $state(0);

  /** `load` reads what it depends on before its first await. Must be called while a component is made. */
  constructor(load: (signal: AbortSignal) => Promise<T>) {
    $effect(() => {
      void this.attempt;
      const abort = new AbortController();
      this.isLoading = true;
      load(abort.signal).then(
        (value) => {
          if (abort.signal.aborted) return;
          this.value = value;
          this.error = undefined;
          this.isLoading = false;
        },
        (error: unknown) => {
          if (abort.signal.aborted) return;
          this.error = asApiError(error);
          this.isLoading = false;
        },
      );
      return () => abort.abort();
    });
  }

  again(): void {
    this.attempt += 1;
  }
}

/** A list that comes page by page. What follows a first page goes with it when another one comes. */
export class Pages<T> extends Resource<Page<T>> {
  /** `keyOf` tells items apart: what moved meanwhile may come on two pages. */
  constructor(load: (signal: AbortSignal) => Promise<Page<T>>, keyOf: (item: T) => string) {
    super(load);
    this.keyOf = keyOf;
  }

  isLoadingMore = $state(false);
  private readonly keyOf: (item: T) => string;
  private added = $state.raw<{ to: Page<T>; items: T[]; next: string }>();
  private failed = $state.raw<{ to: Page<T>; error: ApiError }>();
  private readonly further = $derived(this.added?.to === this.value ? this.added : undefined);

  /** All that came so far; nothing before the first page. */
  readonly items: T[] | undefined = $derived(this.value && this.eachOnce([...this.value.items, ...(this.further?.items ?? [])]));
  readonly next: string = $derived(this.further?.next ?? this.value?.next ?? '');
  /** Why the page after these did not come. */
  readonly problem: ApiError | undefined = $derived(this.failed?.to === this.value ? this.failed?.error : undefined);

  private eachOnce(items: T[]): T[] {
    return [...new Map(items.toReversed().map((item) => [this.keyOf(item), item])).values()].toReversed();
  }

  /** Does nothing at the end, and while something is on its way. */
  async more(): Promise<void> {
    const to = this.value;
    if (to === undefined || this.next === '' || this.isLoadingMore || this.isLoading) return;
    this.isLoadingMore = true;
    this.failed = undefined;
    try {
      const found = await nextPage<T>(this.next);
      if (this.value === to) this.added = { to, items: [...(this.further?.items ?? []), ...found.items], next: found.next };
    } catch (error) {
      this.failed = { to, error: asApiError(error) };
    }
    this.isLoadingMore = false;
  }
}
