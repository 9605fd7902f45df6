/** The account: storage, API keys, connections, webhooks, the browsers that are logged in, and its end. */

import { forgetBelongings } from "../../api/belongings.ts";
import { account } from "../../api/client.ts";
import { currentCsrfToken, isOffline, renewCsrfToken } from "../../api/session.ts";
import { Notice } from "../../ui/components.tsx";
import { Connections } from "./connections.tsx";
import { NewTracks } from "./new-tracks.tsx";
import { Keys } from "./keys.tsx";
import { OwnData } from "./own-data.tsx";
import { Sessions } from "./sessions.tsx";
import { Storage } from "./storage.tsx";
import { Webhooks } from "./webhooks.tsx";

export default function AccountPage() {
  if (isOffline) return <Offline />;
  return account ? <Registered /> : <Guest />;
}

function Registered() {
  return (
    <div class="page">
      <div class="row apart">
        <h1>Account</h1>
        <form method="post" action="/users/log-out" onSubmit={logOut}>
          <input type="hidden" name="_csrf_token" />
          <button class="button">Log out</button>
        </form>
      </div>
      <p class="wrap">
        {account} · <a href="/users/settings">Change the password or the email address</a>
      </p>
      <NewTracks />
      <Storage />
      <Keys />
      <Connections />
      <Webhooks />
      <Sessions />
      <OwnData />
    </div>
  );
}

/** Log out when nothing of the account is left in the browser. */
async function logOut(event: SubmitEvent & { currentTarget: HTMLFormElement }): Promise<void> {
  event.preventDefault();
  const form = event.currentTarget;
  await forgetBelongings().catch(() => {});
  await renewCsrfToken(currentCsrfToken()); // another tab may have logged in since
  form["_csrf_token"].value = currentCsrfToken();
  form.submit();
}

/** A page without a server does not know the account. */
function Offline() {
  return (
    <div class="page">
      <h1>Account</h1>
      <p>Your account appears here when the server is reachable again.</p>
      <NewTracks />
      <Storage />
    </div>
  );
}

function Guest() {
  return (
    <div class="page">
      <h1>Account</h1>
      <Notice action={<a href="/users/register">Register</a>}>
        You are a guest. Register to keep your tracks, and to use API keys, connections and webhooks.
      </Notice>
      <p>
        <a href="/users/log-in?return_to=/studio/account">Log in</a> if you have an account.
      </p>
      <NewTracks />
      <Storage />
      <OwnData />
    </div>
  );
}
