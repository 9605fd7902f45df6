import { useState } from "preact/hooks";
import { api, dataOf } from "../../api/client.ts";
import { useFeatures } from "../../api/features.ts";
import { bodyOf, useAction, useLoaded } from "../../api/requests.ts";
import { Confirm, Field, Form, Section, Submit, Time } from "../../ui/forms.tsx";

const load = () => dataOf(api.GET("/api/connections"));

/** Spotify and lalal.ai. The server never returns their keys. */
export function Connections() {
  const { value: connections, problem, reload } = useLoaded(load);
  const action = useAction();
  const [key, setKey] = useState("");
  const features = useFeatures();
  const connectionTo = (provider: string) => connections?.find((connection) => connection.provider === provider);
  const [spotify, lalalai] = [connectionTo("spotify"), connectionTo("lalalai")];
  const store = () =>
    action.run(async () => {
      await dataOf(api.PUT("/api/lalalai/key", { body: { api_key: key.trim() } }));
      setKey("");
      await reload();
    });
  const disconnect = (provider: string) =>
    action.run(async () => {
      await bodyOf(api.DELETE("/api/connections/{provider}", { params: { path: { provider } } }));
      await reload();
    });
  return (
    <Section title="Connections" problem={problem || action.problem} isLoading={!connections}>
      {connections && (
        <ul class="panel list" aria-label="Connections">
          <li>
            <h3>Spotify</h3>
            {spotify ? (
              <Connected since={spotify.connected_at} as={spotify.label} />
            ) : (
              <span class="badge">not connected</span>
            )}
            {spotify ? (
              <Confirm
                label="Disconnect Spotify"
                text="Disconnect"
                question="Soundwright deletes its access to your Spotify account."
                onConfirm={() => void disconnect("spotify")}
              />
            ) : features?.spotify ? (
              <a class="button" href="/auth/spotify?return_to=/studio/account">
                Connect Spotify
              </a>
            ) : (
              <span />
            )}
            <p class="wide quiet">
              {features?.spotify === false && !spotify
                ? "This server has no access to Spotify. The operator can configure it."
                : "Log in with Spotify, and import your private playlists."}
            </p>
          </li>
          <li>
            <h3>lalal.ai</h3>
            {lalalai ? <Connected since={lalalai.updated_at} as={null} /> : <span class="badge">not connected</span>}
            {lalalai ? (
              <Confirm
                label="Disconnect lalal.ai"
                text="Disconnect"
                question="Soundwright deletes your license key. New jobs use the key of this server, if it has one."
                onConfirm={() => void disconnect("lalalai")}
              />
            ) : (
              <span />
            )}
            <p class="wide quiet">
              Separate tracks at lalal.ai with your own license key. It is stored encrypted and never shown.
            </p>
            <div class="wide">
              <Form label="lalal.ai" onSubmit={store}>
                <Field
                  label={lalalai ? "New license key" : "License key"}
                  type="password"
                  value={key}
                  onInput={setKey}
                  required
                />
                <Submit disabled={action.isBusy}>Save the key</Submit>
              </Form>
            </div>
          </li>
        </ul>
      )}
    </Section>
  );
}

function Connected({ since, as }: { since: string | null; as: string | null }) {
  return (
    <span>
      <span class="badge good">connected</span> {as && <span class="wrap">{as}, </span>}since <Time at={since} />
    </span>
  );
}
