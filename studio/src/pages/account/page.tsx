/** The account: storage, API keys, connections, webhooks, and the browsers that are logged in. */

import { account, currentCsrfToken } from "../../api/client.ts";
import { Connections } from "./connections.tsx";
import { Keys } from "./keys.tsx";
import { Sessions } from "./sessions.tsx";
import { Storage } from "./storage.tsx";
import { Webhooks } from "./webhooks.tsx";

export default function AccountPage() {
  if (!account) return <GuestPage />;
  return (
    <div class="page">
      <div class="row apart">
        <h1>Account</h1>
        <form method="post" action="/users/log-out">
          <input type="hidden" name="_csrf_token" value={currentCsrfToken()} />
          <button class="button">Log out</button>
        </form>
      </div>
      <p class="wrap">
        {account} · <a href="/users/settings">Change the password or the email address</a>
      </p>
      <Storage />
      <Keys />
      <Connections />
      <Webhooks />
      <Sessions />
    </div>
  );
}

function GuestPage() {
  return (
    <div class="page">
      <h1>Guest</h1>
      <p>
        You use the studio without an account. Your tracks belong to this browser: they are lost to you if it deletes
        its cookies or does not open the studio for 14 days. An account keeps them, and adds API keys and webhooks.
      </p>
      <div class="row">
        <a class="button primary" href="/users/register">
          Create an account
        </a>
        <a class="button" href="/users/log-in">
          Log in
        </a>
      </div>
      <Storage />
    </div>
  );
}
