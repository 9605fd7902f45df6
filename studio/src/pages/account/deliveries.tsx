import { useCallback, useEffect, useState } from "preact/hooks";
import { api, dataOf, type Delivery, type Webhook } from "../../api/client.ts";
import { bodyOf, useAction, useInterval, useLoaded } from "../../api/requests.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { Loading, Pager, Time } from "../../ui/forms.tsx";

const LOOKS = { pending: "active", delivered: "good", failed: "bad" } as const;
const PENDING_SECONDS = 1;

/** The messages to an endpoint. They are loaded again in each `round`, and while one is being sent. */
export function Deliveries({ webhook, round }: { webhook: Webhook; round: number }) {
  const [page, setPage] = useState(1);
  const load = useCallback(() => {
    const params = { path: { webhook_id: webhook.id }, query: { page, page_size: 10 } };
    return bodyOf(api.GET("/api/webhooks/{webhook_id}/deliveries", { params }));
  }, [webhook.id, page]);
  const { value: listed, problem, reload } = useLoaded(load);
  const action = useAction();
  useEffect(() => void reload(), [reload, round]);
  useInterval(reload, PENDING_SECONDS, listed?.data.some(({ status }) => status === "pending") ?? false);
  const replay = (id: string) =>
    action.run(async () => {
      const params = { path: { delivery_id: id } };
      await dataOf(api.POST("/api/webhooks/deliveries/{delivery_id}/replay", { params }));
      await reload();
    });
  const refused = problem || action.problem;
  return (
    <>
      {refused && <Notice look="bad">{refused}</Notice>}
      {!listed && !problem && <Loading />}
      {listed?.data.length === 0 && <p class="quiet">Nothing was sent yet.</p>}
      {listed && listed.data.length > 0 && (
        <ul class="panel list" aria-label={`Deliveries to ${webhook.url}`}>
          {listed.data.map((delivery) => (
            <Row key={delivery.id} delivery={delivery} onReplay={() => void replay(delivery.id)} />
          ))}
        </ul>
      )}
      <Pager meta={listed?.meta} onPage={setPage} what="deliveries" />
    </>
  );
}

function Row({ delivery, onReplay }: { delivery: Delivery; onReplay: () => void }) {
  const attempts = `${delivery.attempts} ${delivery.attempts === 1 ? "attempt" : "attempts"}`;
  return (
    <li>
      <div class="title">{delivery.event}</div>
      <span>
        <span class={`badge ${LOOKS[delivery.status]}`}>{delivery.status}</span>{" "}
        {delivery.response_code && <span class="number">{delivery.response_code}</span>}
      </span>
      <Button label={`Send again: ${delivery.event}`} disabled={delivery.status === "pending"} onClick={onReplay}>
        Send again
      </Button>
      <span class="wide quiet">
        <Time at={delivery.last_attempt_at ?? delivery.created_at} />, {attempts}
        {delivery.duration_seconds != null && `, ${Math.round(1000 * delivery.duration_seconds)} ms`}
      </span>
      {delivery.error && <p class="wide wrap">{delivery.error}</p>}
      {delivery.response_body && (
        <p class="wide code" aria-label="Response">
          {delivery.response_body}
        </p>
      )}
    </li>
  );
}
