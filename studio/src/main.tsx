/** The entry of the studio: the shell, and the view of the current path. Views load when they are needed. */

import "../../services/gateway/web/assets/tokens.css";
import "./ui/base.css";
import "./ui/components.css";
import type { ComponentChildren, ComponentType } from "preact";
import { effect, signal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { analyseDownloads, analyseNew } from "./api/analysis.ts";
import { startBelongings } from "./api/belongings.ts";
import { finishLatest, latest, startEdits, underway, undoLatest } from "./api/edits.ts";
import { connectionLost, isConnected, onReconnected } from "./api/connection.ts";
import { activeJobs, followJobs } from "./api/jobs.ts";
import { places } from "./api/places.ts";
import { startNotifications } from "./api/notifications.ts";
import { account, flash, isAdministrator, isOffline } from "./api/session.ts";
import { isSilent } from "./audio/floor.ts";
import { onUploaded, startDrops, Uploads } from "./pages/uploads.tsx";
import { PlayerBar } from "./player/bar.tsx";
import { hasMoved, path, startRouter } from "./router.ts";
import { Button, Notice } from "./ui/components.tsx";

interface Route {
  readonly pattern: RegExp;
  readonly title: string;
  readonly load: () => Promise<{ default: ComponentType<{ id: string }> }>;
}

/** The page of a link. Its visitor may have no account, and gets none. */
const SHARED = /^\/shared\/(?<id>[\w-]+)$/;

const ROUTES: readonly Route[] = [
  { pattern: /^\/$/, title: "Tracks", load: () => import("./pages/tracks.tsx") },
  { pattern: /^\/demo$/, title: "Demo song", load: () => import("./pages/demo/page.tsx") },
  { pattern: /^\/tracks\/(?<id>[\w-]+)$/, title: "Track", load: () => import("./pages/track/page.tsx") },
  { pattern: /^\/jobs$/, title: "Jobs", load: () => import("./pages/jobs/page.tsx") },
  { pattern: /^\/account$/, title: "Account", load: () => import("./pages/account/page.tsx") },
  {
    pattern: /^\/generate(?:\/(?<id>[0-9a-f]{32}))?$/,
    title: "Generate",
    load: () => import("./pages/generate/page.tsx"),
  },
  {
    pattern: /^\/agents(\/(?<id>about\/[\w,-]+|[\w-]+))?$/,
    title: "Agents",
    load: () => import("./pages/agents/page.tsx"),
  },
  { pattern: /^\/admin(\/(?<id>\w+))?$/, title: "Administration", load: () => import("./pages/admin/page.tsx") },
  {
    pattern: /^\/clips(?:\/user\/(?<id>[^/]+))?$/,
    title: "Clips",
    load: () => import("./pages/clips/page.tsx"),
  },
  { pattern: /^\/playlists$/, title: "Playlists", load: () => import("./pages/playlists/page.tsx") },
  {
    pattern: /^\/playlists\/(?<id>pl_[0-9a-f]{12})$/,
    title: "Playlist",
    load: () => import("./pages/playlists/playlist.tsx"),
  },
  { pattern: /^\/setlists$/, title: "Setlists", load: () => import("./pages/setlists/page.tsx") },
  {
    pattern: /^\/setlists\/(?<id>[\w-]+)$/,
    title: "Setlist",
    load: () => import("./pages/setlists/setlist.tsx"),
  },
  {
    pattern: /^\/setlists\/(?<id>[\w-]+\/\d+)$/,
    title: "Setlist",
    load: () => import("./pages/setlists/stage.tsx"),
  },
  { pattern: SHARED, title: "Shared track", load: () => import("./pages/shared/page.tsx") },
  { pattern: /^\/components$/, title: "Components", load: () => import("./pages/components.tsx") },
];

/** What the page before had to say, until it is closed. */
const word = signal(flash);

function Shell() {
  const count = activeJobs.value.size;
  if (SHARED.test(path.value)) return <SharedShell />;
  return (
    <>
      <a class="skip button" href="#main">
        Skip to the content
      </a>
      <header class="shell-header">
        <a class="brand" href="/studio">
          Soundwright
        </a>
        <nav aria-label="Studio">
          <NavLink to="/">Tracks</NavLink>
          <NavLink to="/setlists">Setlists</NavLink>
          <NavLink to="/generate">Generate</NavLink>
          <NavLink to="/clips">Clips</NavLink>
          <NavLink to="/playlists">Playlists</NavLink>
          <NavLink to="/agents">Agents</NavLink>
          <NavLink to="/jobs">
            Jobs
            {count > 0 && (
              <span class="badge active">
                {count}
                <span class="hidden"> running</span>
              </span>
            )}
          </NavLink>
          {isAdministrator && <NavLink to="/admin">Administration</NavLink>}
        </nav>
        <a class="account quiet" href="/studio/account">
          <span class="email">{account || (isOffline ? "Offline" : "Guest")}</span>
          <span class="word">Account</span>
        </a>
      </header>
      <Away>The studio goes on when it is back: uploads begin again, and what plays continues.</Away>
      {word.value && (
        <div class="page">
          <Notice action={<Button label="Close" icon="close" look="quiet" onClick={() => (word.value = "")} />}>
            {word.value}
          </Notice>
        </div>
      )}
      <Uploads />
      <main id="main" tabIndex={-1}>
        <Current />
      </main>
      <div class="toasts">
        <Waiting />
        {underway.value && <Notice>{underway.value}</Notice>}
        <Undo />
      </div>
      <PlayerBar />
    </>
  );
}

/** The page of a link without what needs an account. Its link loads the studio anew. */
function SharedShell() {
  return (
    <>
      <header class="shell-header">
        <a class="brand" href="/studio" target="_self">
          Soundwright
        </a>
      </header>
      <Away>What plays continues.</Away>
      <main id="main" tabIndex={-1}>
        <Current />
      </main>
    </>
  );
}

/** Says that the server does not answer, and what happens then. */
function Away({ children }: { children: string }) {
  if (isConnected.value) return null;
  return (
    <div class="away">
      <Notice>The server is not reachable. {children}</Notice>
    </div>
  );
}

/** Says that requests for jobs wait for a place. */
function Waiting() {
  const count = places.waitingCount.value;
  if (count === 0) return null;
  return (
    <Notice
      action={
        <Button label="Stop waiting" onClick={() => places.cancel()}>
          Stop waiting
        </Button>
      }
    >
      {count === 1 ? "1 job waits" : `${count} jobs wait`} for others of yours to end. Keep this page open.
    </Notice>
  );
}

/** The latest change of tracks, as long as it can be undone. */
function Undo() {
  const change = latest.value;
  if (!change) return null;
  return (
    <Notice
      action={
        <>
          {change.undo && (
            <Button label="Undo" onClick={() => void undoLatest()}>
              Undo
            </Button>
          )}
          <Button label="Close" icon="close" look="quiet" onClick={() => void finishLatest()} />
        </>
      }
    >
      {change.text}
    </Notice>
  );
}

function NavLink({ to, children }: { to: string; children: ComponentChildren }) {
  const isHere = path.value === to || (to !== "/" && path.value.startsWith(`${to}/`));
  return (
    <a class="button quiet" href={to === "/" ? "/studio" : `/studio${to}`} aria-current={isHere ? "page" : undefined}>
      {children}
    </a>
  );
}

function Current() {
  const route = ROUTES.find(({ pattern }) => pattern.test(path.value));
  const id = route?.pattern.exec(path.value)?.groups?.id ?? "";
  const [shown, show] = useState<{ route: Route; View: ComponentType<{ id: string }> } | null>(null);
  const [failed, fail] = useState(false);
  useEffect(() => {
    if (!route) return;
    document.title = `${route.title} · Soundwright`;
    const load = () => {
      fail(false);
      route.load().then(
        ({ default: View }) => show({ route, View }),
        () => {
          fail(true);
          connectionLost();
        },
      );
    };
    load();
    return onReconnected(load);
  }, [route]);
  // What had the focus went with the view before: a keyboard goes on in the new one.
  useEffect(() => {
    if (!hasMoved || document.activeElement !== document.body) return;
    document.getElementById("main")?.focus({ preventScroll: true });
  }, [shown]);
  if (!route) return <Problem text="This page does not exist." />;
  if (failed) return <Problem text="The page could not be loaded. It appears when the server is reachable again." />;
  return shown?.route === route ? <shown.View id={id} key={id} /> : null;
}

function Problem({ text }: { text: string }) {
  return (
    <div class="page">
      <Notice look="bad" action={<a href="/studio">All tracks</a>}>
        {text}
      </Notice>
    </div>
  );
}

// Only pages of HTTPS and of this computer have service workers. A certificate that the user alone trusts is not enough.
if ("serviceWorker" in navigator)
  navigator.serviceWorker.register("/studio/worker.js", { scope: "/studio" }).catch(() => {});
if (isOffline) {
  connectionLost();
  onReconnected(() => effect(() => void (isSilent.value && location.reload())));
}
startRouter();
if (!isOffline && !SHARED.test(path.value)) void startBelongings();
if (!SHARED.test(path.value)) {
  startDrops();
  startEdits();
  analyseDownloads();
  onUploaded((track) => analyseNew(track.id));
  void followJobs();
  startNotifications();
}
const root = document.getElementById("studio");
if (root) render(<Shell />, root);
