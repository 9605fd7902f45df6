import { useState } from "preact/hooks";
import type { User } from "../../api/client.ts";
import { Button, Dialog } from "../../ui/components.tsx";
import { Choice, Field, Form, Submit } from "../../ui/forms.tsx";
import { sizeText } from "../../ui/texts.ts";

const GIGABYTE = 1e9;
const DEFAULT = "-1";
const UNLIMITED = "0";
const OWN = "own";
const CHOICES = [
  [DEFAULT, "Default of the server"],
  [UNLIMITED, "No limit"],
  [OWN, "Own limit"],
] as const;

interface QuotaProps {
  user: User;
  disabled: boolean;
  onChange: (bytes: number) => void;
}

/** What a user stores, and the quota, which a dialog changes. */
export function Quota({ user, disabled, onChange }: QuotaProps) {
  const [isOpen, open] = useState(false);
  return (
    <span class="row">
      {sizeText(user.storage_used_bytes)}
      {quotaText(user.storage_quota_bytes)}
      <Button label={`Change the quota of ${user.email}`} look="quiet" disabled={disabled} onClick={() => open(true)}>
        Change
      </Button>
      {isOpen && (
        <QuotaDialog
          user={user}
          onClose={() => open(false)}
          onChange={(bytes) => {
            open(false);
            onChange(bytes);
          }}
        />
      )}
    </span>
  );
}

function QuotaDialog(props: { user: User; onClose: () => void; onChange: (bytes: number) => void }) {
  const quota = props.user.storage_quota_bytes;
  const [choice, choose] = useState<string>(quota === null ? DEFAULT : quota === 0 ? UNLIMITED : OWN);
  const [gigabytes, setGigabytes] = useState(quota ? String(quota / GIGABYTE) : "");
  const bytes = choice === OWN ? Math.round(Number(gigabytes.replace(",", ".")) * GIGABYTE) : Number(choice);
  return (
    <Dialog title={`Storage quota of ${props.user.email}`} onClose={props.onClose}>
      <Form label="Storage quota" onSubmit={() => props.onChange(bytes)}>
        <Choice label="Quota" value={choice} options={CHOICES} onInput={choose} />
        {choice === OWN && <Field label="Gigabytes" value={gigabytes} required onInput={setGigabytes} />}
        <Submit disabled={choice === OWN && !(bytes > 0)}>Save</Submit>
      </Form>
    </Dialog>
  );
}

function quotaText(bytes: number | null): string {
  if (bytes === null) return ", default quota";
  return bytes === 0 ? ", no limit" : ` of ${sizeText(bytes)}`;
}
