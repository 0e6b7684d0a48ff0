/** Something that is fetched, and fetched again when what it depends on changes. */
import { ApiError } from './api';

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
          this.error = error instanceof ApiError ? error : new ApiError(0, String(error), '', '');
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
