import { useState } from "preact/hooks";
import { account, api, type ApiError } from "../../api/client.ts";
import { bodyOf, useAction } from "../../api/requests.ts";
import { Button, Dialog, Notice } from "../../ui/components.tsx";
import { Field, Form, Section, Submit } from "../../ui/forms.tsx";

/** Everything that the account owns as an archive, and the end of the account. */
export function OwnData() {
  const [isOpen, open] = useState(false);
  const [typed, setTyped] = useState("");
  const [password, setPassword] = useState("");
  const name = account || "delete";
  const { isBusy, problem, run } = useAction();
  const remove = () =>
    run(async () => {
      const body = { current_password: password };
      try {
        await bodyOf(api.DELETE("/api/users/me", { body }));
      } catch (error) {
        throw (error as ApiError).code === "VALIDATION_ERROR" ? new Error("This is not your password.") : error;
      }
      location.assign("/studio");
    });
  return (
    <Section title="Your data">
      <p class="quiet">
        The archive has your recordings, stems, analyses and clips, and everything else that Soundwright stores of you.
      </p>
      <div class="row">
        <Archive />
        <Button label="Delete the account" onClick={() => open(true)}>
          Delete the account
        </Button>
      </div>
      {isOpen && (
        <Dialog title="Delete the account" onClose={() => open(false)}>
          <p class="dialog-text">
            This deletes {account || "your guest account"} at once, with all tracks, stems, clips, playlists, setlists,
            links, keys and conversations. Nobody can restore them.
          </p>
          <p class="dialog-text">Download what you want to keep first.</p>
          <div class="row">
            <Archive />
          </div>
          <Form label="Delete the account" onSubmit={() => void remove()}>
            <Field label={`Type ${name} to confirm`} value={typed} onInput={setTyped} required />
            {account && <Field label="Password" type="password" value={password} onInput={setPassword} required />}
            <Submit disabled={isBusy || typed.trim().toLowerCase() !== name.toLowerCase()}>
              {isBusy ? "Deleting…" : "Delete everything"}
            </Submit>
          </Form>
          {problem && <Notice look="bad">{problem}</Notice>}
        </Dialog>
      )}
    </Section>
  );
}

function Archive() {
  return (
    <a class="button" href="/api/users/me/export" download>
      Download all data
    </a>
  );
}
