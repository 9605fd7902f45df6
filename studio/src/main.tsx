/** The entry of the studio: the shell, and the view of the current path. Views load when they are needed. */

import "./ui/tokens.css";
import "./ui/base.css";
import "./ui/components.css";
import type { ComponentType } from "preact";
import { render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { account } from "./api/client.ts";
import { activeJobs, followJobs } from "./api/jobs.ts";
import { startNotifications } from "./api/notifications.ts";
import { path, startRouter } from "./router.ts";
import { Notice } from "./ui/components.tsx";

interface Route {
  readonly pattern: RegExp;
  readonly title: string;
  readonly load: () => Promise<{ default: ComponentType<{ id: string }> }>;
}

const ROUTES: readonly Route[] = [
  { pattern: /^\/$/, title: "Tracks", load: () => import("./pages/tracks.tsx") },
  { pattern: /^\/tracks\/(?<id>[\w-]+)$/, title: "Track", load: () => import("./pages/track/page.tsx") },
  { pattern: /^\/account$/, title: "Account", load: () => import("./pages/account/page.tsx") },
