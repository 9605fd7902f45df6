import { useState } from "preact/hooks";
import { api, dataOf, type Webhook } from "../../api/client.ts";
import { type Action, bodyOf, useAction, useLoaded } from "../../api/requests.ts";
import { Button, Notice } from "../../ui/components.tsx";
import { Choice, Confirm, Copyable, Field, Form, Section, Submit, Time } from "../../ui/forms.tsx";
import { Deliveries } from "./deliveries.tsx";

const EVENTS = [
  ["*", "all events"],
  ["job.completed", "job.completed"],
  ["job.failed", "job.failed"],
] as const;
const load = () => dataOf(api.GET("/api/webhooks"));

/** Webhooks. A secret is shown once, after its creation or rotation. */
export function Webhooks() {
  const { value: webhooks, problem, reload } = useLoaded(load);
  const action = useAction();
  const [url, setUrl] = useState("");
  const [events, setEvents] = useState("*");
  const [secret, setSecret] = useState("");
  const create = () =>
    action.run(async () => {
      const body = { url, events: [events], description: "" };
      setSecret((await dataOf(api.POST("/api/webhooks", { body }))).secret);
      setUrl("");
      await reload();
    });
  return (
    <Section title="Webhooks" problem={problem || action.problem} isLoading={!webhooks}>
      <p class="quiet">
        Webhooks notify your server when a job ends. Requests are signed and retried for up to 24 hours.
      </p>
      <Form label="New webhook" onSubmit={create}>
        <Field
          label="Address"
          type="url"
          value={url}
          onInput={setUrl}
          required
          placeholder="https://"
          maxLength={2000}
        />
        <Choice label="Events" value={events} options={EVENTS} onInput={setEvents} />
        <Submit disabled={action.isBusy}>Create a webhook</Submit>
      </Form>
      {secret && (
        <>
          <Notice>This is the signing secret. Copy it now: it is not shown again.</Notice>
          <Copyable label="Signing secret" text={secret} />
        </>
      )}
      {webhooks && webhooks.length > 0 && (
        <ul class="panel list" aria-label="Webhooks">
          {webhooks.map((webhook) => (
            <Endpoint key={webhook.id} webhook={webhook} action={action} reload={reload} onSecret={setSecret} />
          ))}
        </ul>
      )}
      {webhooks?.length === 0 && <p class="quiet">No webhooks yet.</p>}
    </Section>
  );
}

interface EndpointProps {
  webhook: Webhook;
  action: Action;
  reload: () => Promise<void>;
  onSecret: (secret: string) => void;
}

function Endpoint({ webhook, action, reload, onSecret }: EndpointProps) {
  const [isOpen, open] = useState(false);
  const [round, setRound] = useState(0);
  const params = { path: { webhook_id: webhook.id } };
  const change = (request: () => Promise<unknown>) =>
    void action.run(async () => {
      await request();
      await reload();
      setRound((count) => count + 1);
    });
  const test = () => {
    open(true);
    change(() => dataOf(api.POST("/api/webhooks/{webhook_id}/test", { params })));
  };
  const rotate = () =>
    change(async () => onSecret((await dataOf(api.POST("/api/webhooks/{webhook_id}/secret", { params }))).secret));
  const enable = (enabled: boolean) =>
    change(() => dataOf(api.PATCH("/api/webhooks/{webhook_id}", { params, body: { enabled } })));
  const remove = () => {
    open(false); // the log ends with the webhook
    change(async () => {
      await bodyOf(api.DELETE("/api/webhooks/{webhook_id}", { params }));
      onSecret(""); // it may be that of this one
    });
  };
  return (
    <li>
      <div class="title" title={webhook.url}>
        {webhook.url} <span class="quiet">{webhook.events.join(", ")}</span>
      </div>
      <State webhook={webhook} />
      <span />
      <div class="wide row">
        <Button label={`Send a test to ${webhook.url}`} disabled={!webhook.enabled || action.isBusy} onClick={test}>
          Send a test
        </Button>
        <Button label={`Deliveries to ${webhook.url}`} pressed={isOpen} onClick={() => open(!isOpen)}>
          Deliveries
        </Button>
        <Confirm
          label={`Rotate the secret of ${webhook.url}`}
          text="Rotate the secret"
          question="For 24 hours, messages are signed with both the old and the new secret."
          onConfirm={rotate}
        />
        <Button
          label={`${webhook.enabled ? "Disable" : "Enable"} ${webhook.url}`}
          onClick={() => enable(!webhook.enabled)}
        >
          {webhook.enabled ? "Disable" : "Enable"}
        </Button>
        <Confirm
          label={`Delete ${webhook.url}`}
          text="Delete"
          question="The webhook and its log of deliveries are deleted."
          onConfirm={remove}
        />
      </div>
      {isOpen && (
        <div class="wide">
          <Deliveries webhook={webhook} round={round} />
        </div>
      )}
    </li>
  );
}

function State({ webhook }: { webhook: Webhook }) {
  if (!webhook.enabled) return <span class="badge bad">{webhook.disabled_reason ?? "disabled"}</span>;
  if (!webhook.failing_since) return <span class="badge good">enabled</span>;
  return (
    <span>
      <span class="badge bad">failing</span> since <Time at={webhook.failing_since} />
    </span>
  );
}
