import "./separation.css";

/** A short reason, and behind it the long one. */
export function Because({ reason, details }: { reason: string; details: string | null }) {
  return (
    <span class="because">
      {reason}
      {details && (
        <details>
          <summary>Why?</summary>
          <p class="quiet">{details}</p>
        </details>
      )}
    </span>
  );
}
