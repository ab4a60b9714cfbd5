/** Requests to the reading API. */

export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly more: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

/** The request never reached the server, or no answer came back. */
export class Unreachable extends Error {}

// Longer than any honest answer takes, so that a dead connection is noticed.
const PATIENCE_MS = 20_000;

function token(): string {
  // Read anew each time: signing in again changes it.
  return /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? "";
}

export class Api {
  /** ``base``: where the study's interface is, as the page was told. */
  constructor(private base: string) {}

  async call<T>(method: "GET" | "POST" | "PUT", path: string, body?: unknown): Promise<T> {
    let response: Response;
    try {
      response = await fetch(this.base + path, {
        method,
        credentials: "same-origin",
        cache: "no-store",
        redirect: "error",
        signal: AbortSignal.timeout(PATIENCE_MS),
        headers: { "Content-Type": "application/json", "X-CSRFToken": token() },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (error) {
      throw new Unreachable(String(error));
    }
    let content: unknown;
    try {
      content = await response.json();
    } catch {
      // A proxy's page or half an answer: not something that the server said of this request.
      if (response.ok) throw new Unreachable("the answer was cut short");
      content = {};
    }
    if (response.ok) return content as T;
    const { code, reason, ...more } = content as Record<string, unknown>;
    throw new ApiError(
      response.status,
      String(code ?? ""),
      String(reason ?? `The server answered ${response.status}.`),
      more,
    );
  }
}
