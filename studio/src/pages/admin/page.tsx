/** The administration: one view for each part, under `/studio/admin/…`. */

import type { ComponentType } from "preact";
import { isAdministrator } from "../../api/session.ts";
import { Notice } from "../../ui/components.tsx";
import { Audit } from "./audit.tsx";
import { AllJobs } from "./jobs.tsx";
import { Models } from "./models.tsx";
import { Platform } from "./platform.tsx";
import { Users } from "./users.tsx";

const VIEWS: readonly (readonly [id: string, name: string, view: ComponentType])[] = [
  ["platform", "Platform", Platform],
  ["users", "Users", Users],
  ["jobs", "Jobs", AllJobs],
  ["models", "Models", Models],
  ["audit", "Audit log", Audit],
];

export default function AdminPage({ id }: { id: string }) {
  const [current, , View] = VIEWS.find(([each]) => each === (id || "platform")) ?? ["", "", null];
  return (
    <div class="page">
      <h1>Administration</h1>
      {!isAdministrator && <Notice look="bad">This page requires the role of an administrator.</Notice>}
      {isAdministrator && (
        <nav class="row" aria-label="Administration">
          {VIEWS.map(([view, name]) => (
            <a
              key={view}
              class="button quiet"
              href={`/studio/admin/${view}`}
              aria-current={view === current ? "page" : undefined}
            >
              {name}
            </a>
          ))}
        </nav>
      )}
      {isAdministrator && (View ? <View /> : <Notice look="bad">This page does not exist.</Notice>)}
    </div>
  );
}
