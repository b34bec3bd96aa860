import type { Client } from 'bellhop-client'

/**
 * A page that the browser keeps for going back to it holds no connection meanwhile: it would have one of the places of a user, and an
 * agent who left would be online. Shown again, it begins anew.
 */
export function closeWhenAway(client: Client) {
  addEventListener('pagehide', () => client.close())
  addEventListener('pageshow', (e) => {
    if (e.persisted) location.reload()
  })
}
