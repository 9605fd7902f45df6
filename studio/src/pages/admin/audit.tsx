import { useCallback, useState } from "preact/hooks";
import { api, type AuditEntry } from "../../api/client.ts";
import { bodyOf, useLoaded } from "../../api/requests.ts";
import { Button } from "../../ui/components.tsx";
import { Choice, Pager, Section, Table, Time } from "../../ui/forms.tsx";

const ACTIONS = [
  "login",
  "login_failed",
  "register",
  "password_change",
  "email_change",
  "email_confirm",
  "take_over",
  "role_change",
  "quota_change",
  "suspend",
  "ban",
  "reactivate",
  "cancel",
  "delete",
  "model_allow",
  "model_withdraw",
  "token_create",
  "token_revoke",
  "session_end",
  "connection_create",
  "connection_delete",
  "webhook_create",
  "webhook_update",
  "webhook_rotate_secret",
  "webhook_delete",
];

/** The audit log, filtered by action and by who acted. */
export function Audit() {
  const [action, setAction] = useState("");
  const [actor, setActor] = useState<AuditEntry | null>(null);
  const [page, setPage] = useState(1);
  const actorId = actor?.actor_id ?? "";
  const load = useCallback(
    () => bodyOf(api.GET("/api/admin/audit", { params: { query: { page, action, actor_id: actorId } } })),
    [page, action, actorId],
  );
  const { value: listed, problem, reload } = useLoaded(load);
  const filter = (change: () => void) => {
    change();
    setPage(1);
  };
  return (
    <Section title="Audit log" problem={problem} onRetry={reload} isLoading={!listed}>
      <div class="form">
        <Choice
          label="Action"
          value={action}
          options={[["", "all"] as const, ...ACTIONS.map((word) => [word, word.replaceAll("_", " ")] as const)]}
          onInput={(word) => filter(() => setAction(word))}
        />
        {actor && (
          <Button
            label={`Show all accounts, not only ${actor.actor_email}`}
            onClick={() => filter(() => setActor(null))}
          >
            {actor.actor_email} ×
          </Button>
        )}
      </div>
      {listed && listed.data.length > 0 && (
        <Table label="Audit log" columns={["Time", "Account", "Action", "Object", "Change", "Address"]}>
          {listed.data.map((entry) => (
            <Row key={entry.id} entry={entry} onActor={() => filter(() => setActor(entry))} />
          ))}
        </Table>
      )}
      {listed?.data.length === 0 && <p class="quiet">No entry matches.</p>}
      <Pager meta={listed?.meta} onPage={setPage} what="entries" />
    </Section>
  );
}

function Row({ entry, onActor }: { entry: AuditEntry; onActor: () => void }) {
  const change = changeText(entry.changes);
  return (
    <tr>
      <td>
        <Time at={entry.inserted_at} />
      </td>
      <td class="name">
        {entry.actor_id && (
          <Button label={`${entry.actor_email}: show only this account`} look="quiet" onClick={onActor}>
            {entry.actor_email}
          </Button>
        )}
      </td>
      <td>{entry.action.replaceAll("_", " ")}</td>
      <td class="name number" title={entry.resource_id}>
        {entry.resource_type} {entry.resource_id.slice(0, 13)}
      </td>
      <td class="name" title={change}>
        {change}
      </td>
      <td class="number">{entry.ip_address}</td>
    </tr>
  );
}

/** Return the changes as text: `status: active → suspended`. */
function changeText(changes: Readonly<Record<string, unknown>>): string {
  const texts = Object.entries(changes).map(([field, value]) => {
    const isChange = typeof value === "object" && value !== null && "from" in value && "to" in value;
    return isChange ? `${field}: ${value.from ?? "none"} → ${value.to ?? "none"}` : `${field}: ${String(value)}`;
  });
  return texts.join(", ");
}
