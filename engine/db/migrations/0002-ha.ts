/** HA: a policy per VM, and which notes of the hosts' timelines are events already. */
export const ha = `
ALTER TABLE vms ADD COLUMN ha_enabled boolean NOT NULL DEFAULT false;
ALTER TABLE vms ADD COLUMN ha_priority text NOT NULL DEFAULT 'normal' CHECK (ha_priority IN ('low', 'normal', 'high'));

CREATE TABLE ha_timeline (
  host_id uuid PRIMARY KEY,
  last_key text NOT NULL
);
`;
