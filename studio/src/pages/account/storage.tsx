import { api, dataOf } from "../../api/client.ts";
import { useLoaded } from "../../api/requests.ts";
import { ProgressBar } from "../../ui/components.tsx";
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
      {usage && usage.available_bytes === 0 && (
        <p>Nothing more can be stored. Delete tracks or clips, or ask an administrator for a larger quota.</p>
      )}
    </Section>
  );
}
