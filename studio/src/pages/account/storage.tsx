import { api, dataOf } from "../../api/client.ts";
import { forgetAllOffline, kept, LIMIT_BYTES } from "../../api/offline.ts";
import { useLoaded } from "../../api/requests.ts";
import { Button, ProgressBar } from "../../ui/components.tsx";
import { Section } from "../../ui/forms.tsx";
import { sizeText } from "../../ui/texts.ts";

const load = () => dataOf(api.GET("/api/users/me/storage"));

export function Storage() {
  const { value: usage, problem, reload } = useLoaded(load);
  const limit = usage?.limit_bytes;
  return (
    <Section title="Storage" problem={problem} onRetry={reload} isLoading={!usage}>
      {usage && (
        <p>
          {sizeText(usage.used_bytes)} {limit ? `of ${sizeText(limit)} used` : "used. There is no limit."}
        </p>
      )}
      {usage && limit != null && limit > 0 && (
        <ProgressBar label="Storage used" percent={Math.min(100, (100 * usage.used_bytes) / limit)} />
      )}
      {kept.value.length > 0 && (
        <div class="row">
          <p>
            This browser keeps {kept.value.length === 1 ? "1 track" : `${kept.value.length} tracks`} offline:{" "}
            {sizeText(kept.value.reduce((sum, { bytes }) => sum + bytes, 0))} of {sizeText(LIMIT_BYTES)}.
          </p>
          <Button label="Remove all tracks kept offline" onClick={() => void forgetAllOffline()}>
            Remove all
          </Button>
        </div>
      )}
      {usage && usage.available_bytes === 0 && (
        <p>Nothing more can be stored. Delete tracks or clips, or ask an administrator for a larger quota.</p>
      )}
    </Section>
  );
}
