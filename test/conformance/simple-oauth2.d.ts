// simple-oauth2 comes without types. This is what its documentation says of the part that is used here.
declare module 'simple-oauth2' {
  interface Settings {
    client: { id: string; secret: string };
    auth: { tokenHost: string; revokePath?: string };
    http?: { json?: boolean | 'strict' | 'force' };
    options?: { authorizationMethod?: 'header' | 'body' };
  }
  interface AccessToken {
    revoke(tokenType: 'access_token' | 'refresh_token'): Promise<unknown>;
    revokeAll(): Promise<void>;
  }
  export class ClientCredentials {
    constructor(settings: Settings);
    createToken(token: { access_token: string; refresh_token?: string }): AccessToken;
  }
}
