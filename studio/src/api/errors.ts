/** Errors of the API. */

/** An error that the API has returned, or a failed connection (status 0). The message is for the user. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** A server that restarts says so. A proxy before it has no code of the API. */
const AWAY = new Set(["UNREACHABLE", "STOPPING", "SERVICE_STOPPING", "SERVICE_UNAVAILABLE"]);

/** Return whether an error says that the server, or a part of it, is away for a while. */
export function isAway({ status, code }: ApiError): boolean {
  return AWAY.has(code) || (code === "UNKNOWN" && status >= 502 && status <= 504);
}

/** Errors of the soundbox dialect have only the sentence, as `error`. */
interface Refusal {
  code?: string;
  message?: string;
  error?: string;
  details?: object;
}

/** What a status means that a proxy in front of the server has given, without a sentence. */
const BY_PROXY: Record<number, string> = {
  413: "A proxy in front of the server refuses files of this size. Ask the operator to raise its limit.",
  502: "The server does not answer the proxy in front of it. Try again in a minute.",
  504: "The server did not answer the proxy in front of it in time. Try again in a minute.",
};

/** What pages call fields of the API whose own names are no words for people. */
const NAMES: Record<string, string> = {
  api_key: "license key",
  bpm: "tempo",
  continue_from: "clip to continue",
  current_password: "password",
  duration: "length",
  expires_in_days: "lifetime",
  features: "analysis",
  storage_quota_bytes: "quota",
  track_ids: "list of tracks",
  url: "address",
};
const PROBLEM = /^(?<field>[a-z_]+)(?:\[\])? (?<problem>(?:must|should|can|is|are|has|have|needs?)\b.*?)\.?$/;

/** Return the error that a body describes; null: it is not JSON. */
export function refusal(status: number, body: unknown): ApiError {
  const { code = "UNKNOWN", details, ...texts } = (body ?? {}) as Refusal;
  const message =
    texts.message ?? texts.error ?? BY_PROXY[status] ?? `The server returned status ${status}. Try again.`;
  const problems = Object.entries(details ?? {}).flatMap(([field, found]) =>
    [found].flat().map((each) => ({ field, problem: String(each) })),
  );
  const { field = "", problem = "" } = PROBLEM.exec(message)?.groups ?? {}; // the soundbox dialect begins with the field
  if (field) problems.push({ field, problem });
  const isPlain = problems.length > 0 && (field !== "" || code === "VALIDATION_ERROR");
  return new ApiError(status, code, isPlain ? problems.map(sentence).join(" ") : withoutIds(message));
}

/** Return what is wrong with a field, in the words of the pages. */
function sentence({ field, problem }: { field: string; problem: string }): string {
  return `The ${NAMES[field] ?? field.replaceAll("_", " ")} ${problem}.`;
}

/** Return a sentence without IDs, which no page shows. */
function withoutIds(message: string): string {
  return message
    .replace(/: [0-9a-f-]{36}(, [0-9a-f-]{36})*(?=\.)/, "")
    .replace(/ Check the IDs?(?:; (?<rest>\w))?\.?/, (_, rest?: string) => (rest ? ` ${rest.toUpperCase()}` : ""));
}
