import { useEffect, useRef } from 'react';
import icon from './icon.svg';
import { settings } from './settings.js';

/** The card shown while nobody is signed in; `reason` says why a token was refused. */
export function SignIn({ reason, onClose }) {
  const dialog = useRef(null);
  useEffect(() => dialog.current.showModal(), []);
  return (
    <dialog ref={dialog} className="aibridge-sign-in" aria-labelledby="sign-in-title" onClose={onClose}>
      <form method="post" action={settings.signIn}>
        <img src={icon} alt="" width="44" height="44" />
        <h1 id="sign-in-title">Sign in to ask</h1>
        <p>Paste a token, and this browser is signed in until you close it or sign out.</p>
        {reason && (
          <p className="aibridge-refused" role="alert">
            {reason}
          </p>
        )}
        <input type="hidden" name="next" value={location.pathname} />
        <input
          type="password"
          name="token"
          aria-label="Token"
          placeholder="xxxxxxxxxx-xxxxxxxxxxxxxxxxxxxxxx"
          autoComplete="off"
          spellCheck={false}
          required
          autoFocus
        />
        <button type="submit">Sign in</button>
        <p className="aibridge-hint">
          No token yet? <code>aibridge token create</code> makes one, and the demo prints a link
          that signs you in. You may also{' '}
          <button type="button" className="aibridge-link" onClick={() => dialog.current.close()}>
            look around
          </button>{' '}
          and set a token in the Headers editor.
        </p>
      </form>
    </dialog>
  );
}

/** Who is signed in, as far as the server tells, and the way out. */
export function SignedIn({ viewer }) {
  return (
    <form className="aibridge-viewer" method="post" action={settings.signOut}>
      {viewer && <span title={description(viewer)}>{viewer.user.username}</span>}
      <button type="submit">Sign out</button>
    </form>
  );
}

function description({ user, roles, canReadAll }) {
  const scope = canReadAll
    ? 'You may read the rows of everybody.'
    : 'You may read only what your account allows; other rows are left out.';
  return `${user.name || user.username}: ${roles.join(', ') || 'no role'}. ${scope}`;
}
