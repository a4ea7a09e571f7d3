const content = (name) => document.querySelector(`meta[name="aibridge:${name}"]`)?.content ?? '';
const here = (path) => new URL(path, location.href).href;

/** What the server says about itself in the page's meta elements. */
export const settings = {
  endpoint: here(content('endpoint') || '/graphql'),
  // Empty: no subscriptions are served.
  subscriptions: content('subscriptions'),
  signIn: here(content('sign-in') || '/signin'),
  signOut: here(content('sign-out') || '/signout'),
  // False: the request for this page carried no token, so there is no use in asking.
  hasToken: content('has-token') !== 'false',
  version: content('version'),
  notice: content('notice'),
};
