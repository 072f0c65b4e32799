// A request and its answer, independent of the host's library.

export interface WebRequest {
  readonly method: string;
  readonly url: string;
  header(name: string): string | null | undefined;
  /** The body as text; empty if there is none. It can be read once, as text or as a form. */
  text(): Promise<string>;
  /** The form's fields; undefined if the body is not a form. */
  form(): Promise<{ get(name: string): string | null } | undefined>;
}

export interface WebAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}
