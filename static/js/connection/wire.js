/**
 * The types of the wire, version 1 (docs/protocol.md), and its limits.
 *
 * @typedef {'scroll' | 'top' | 'bottom'} Mode
 * @typedef {'small' | 'normal' | 'large'} Size
 * @typedef {{text: string, mode?: Mode, color?: string, size?: Size}} Post a comment to send
 *
 * @typedef {object} CommentEntry
 * @property {'comment'} kind
 * @property {number} seq
 * @property {string} user
 * @property {string} name
 * @property {string} text
 * @property {number} at    Unix milliseconds, the server's clock
 * @property {Mode} [mode]
 * @property {string} [color]
 * @property {Size} [size]
 * @property {'host' | 'moderator' | 'bot' | 'viewer'} [role]
 * @property {boolean} [shadow]  for moderators: only they and its author see it
 *
 * @typedef {{kind: 'retract', seq: number, target: number}} RetractEntry
 * @typedef {{kind: 'clear', seq: number, before: number}} ClearEntry
 * @typedef {{kind: 'clear_user', seq: number, user: string, before: number}} ClearUserEntry
 * @typedef {{kind: 'settings', seq: number, settings: RoomSettings}} SettingsEntry
 * @typedef {CommentEntry | RetractEntry | ClearEntry | ClearUserEntry | SettingsEntry} Entry
 *
 * @typedef {object} RoomSettings the settings that hosts change; a missing one has its default
 * @property {string} [title]
 * @property {string} [video_url]
 * @property {number} [slow_mode]  seconds between two comments of one viewer
 * @property {number} [delay]      seconds from `at` until a comment is shown
 * @property {'everyone' | 'signed_in' | 'moderators'} [who_may_post]
 * @property {number} [unique_seconds]  seconds in which a text cannot be posted twice
 * @property {'allow' | 'hold' | 'reject'} [links]
 * @property {number} [max_length]  characters in a comment
 * @property {boolean} [hold_all]     every comment waits for a moderator
 * @property {number} [report_threshold]  reports after which a comment is removed and held
 * @property {RoomSettings | null} [shield] stricter rules that are in force over these
 *
 * @typedef {object} Welcome
 * @property {'welcome'} type
 * @property {string} room
 * @property {string} epoch
 * @property {number} seq
 * @property {string} [user]
 * @property {string} [name]
 * @property {string} [role]
 * @property {string} [session]
 * @property {RoomSettings} settings
 * @property {number} viewers
 * @property {boolean} recovered
 * @property {string | null} [reason]
 * @property {Entry[]} entries
 *
 * @typedef {{type: 'batch', epoch: string, first: number, last: number, entries: Entry[], thinned?: number}} Batch
 * @typedef {{type: 'private', entries: Entry[]}} Private entries that came as `retracted` before this viewer had signed in
 * @typedef {{type: 'held', ref?: string | null, session?: string}} Held the post waits for a moderator
 * @typedef {{type: 'ack', ref?: string | null, epoch: string, seq: number, dup?: boolean, session?: string}} Ack
 * @typedef {{type: 'reject', ref?: string | null, code: string, message: string, retry_after?: number | null}} Reject
 * @typedef {{type: 'viewers', count: number}} Viewers
 * @typedef {{type: 'skip', first: number, last: number, why: string, settings?: RoomSettings}} Skip
 * @typedef {{type: 'identity', user: string, name: string, role: string, session?: string, reason?: string}} Identity
 * @typedef {{type: 'staff', first: number, last: number, entries: Act[]}} Staff sent to moderators and hosts
 * @typedef {{id: number, kind: string, at: number, by: string, by_name: string, reason?: string} & Record<string, unknown>} Act
 * @typedef {{type: 'bye', code: number, message: string, reconnect_after: number | null}} Bye
 * @typedef {{type: 'pong'}} Pong
 * @typedef {Welcome | Batch | Ack | Held | Private | Reject | Viewers | Skip | Identity | Staff | Bye | Pong} ServerMessage
 *
 * @typedef {{type: 'post', ref: string} & Post} PostMessage
 * @typedef {{type: 'auth', token: string, user?: import('./user-token.js').Claims | null}} AuthMessage user: not sent
 * @typedef {PostMessage | AuthMessage | {type: 'rename', name: string} | {type: 'pause'}
 *   | {type: 'resume'} | {type: 'ping'}} ViewerMessage
 *
 * @typedef {object} Transport exchanges these messages with the server
 * @property {'websocket' | 'polling'} kind
 * @property {(message: ViewerMessage) => boolean} send  false when it cannot be sent now
 * @property {() => void} check                           pings the server at once, and ends if it does not reply
 * @property {() => void} close                           closes it; no callback follows
 *
 * @typedef {object} Listener the callbacks of a transport
 * @property {(message: ServerMessage) => void} message
 * @property {(event: import('./connection-state.js').ConnectionEvent, message: string) => void} ended  `closed` or `refused`, with
 *   the server's sentence or ''
 *
 * @typedef {object} Address the server and the parameters of a transport
 * @property {string} server    such as https://example.org/danmaku
 * @property {string} room
 * @property {string} name      '' lets the server choose
 * @property {number} history   how many recent entries to request at a first join
 * @property {string} cursor    'epoch:seq', or '' at a first join
 * @property {string} token     a user's token, a guest's session, or ''
 * @property {import('./user-token.js').Claims | null} user  whom a user's token names; null for a guest
 */

export const TEXT_GRAPHEMES = 100;
export const TEXT_BYTES = 1000;
export const NAME_GRAPHEMES = 24;
export const NAME_BYTES = 200;
export const ROOM_NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** The settings of the last settings entry, or null. @param {Entry[]} entries @returns {RoomSettings | null} */
export function newestSettings(entries) {
  const change = entries.findLast(({ kind }) => kind === 'settings');
  return change?.kind === 'settings' ? change.settings : null;
}
