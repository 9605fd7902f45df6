/** Spans of time in words. Pure functions. */

/** Return about how long `seconds` are, for example `about 3 minutes`. Longer spans are rounded more. */
export function spanText(seconds: number): string {
  if (seconds < 10) return "a few seconds";
  if (seconds < 55) return `about ${Math.ceil(seconds / 10) * 10} seconds`;
  const minutes = Math.max(1, Math.round(seconds / 60));
  if (minutes < 60) return `about ${minutes} ${minutes === 1 ? "minute" : "minutes"}`;
  const halves = Math.round(minutes / 30) / 2;
  return `about ${halves} ${halves === 1 ? "hour" : "hours"}`;
}

/** Return an ordinal number, for example `2nd`. */
export function ordinalText(number: number): string {
  const rest = number % 100;
  const ending = rest >= 11 && rest <= 13 ? "th" : (["th", "st", "nd", "rd"][number % 10] ?? "th");
  return `${number}${ending}`;
}
