import { parsePublicId, printId } from '../../rules/format.js';
import { accept } from '../../rules/refusal.js';
import { seesAllTokens } from '../../rules/role.js';
import { listTokens, type TokenView } from '../../store/tokens.js';
import { listTokensOperation } from '../../wire/tokens.js';
import { pageOf, readCursor } from '../cursor.js';
import { endpoint } from '../endpoint.js';
import { presentToken } from '../present.js';

export const listTokensRoute = endpoint(listTokensOperation, async (deps, { caller, query, now }) => {
  const before = readCursor('tokens', query.cursor, (text) => parsePublicId('tok', text));
  if (!before.ok) return before;
  const creatorId = query.creator === undefined ? undefined : parsePublicId('mem', query.creator);
  const ownerId = query.owner === undefined ? undefined : parsePublicId('mem', query.owner);
  // An id that is too large for its width stands for nobody.
  const hasNoCreator = query.creator !== undefined && creatorId === undefined;
  const hasNoOwner = query.owner !== undefined && ownerId === undefined;
  if (hasNoCreator || hasNoOwner) return accept({ status: 200, body: { data: [], next_cursor: null } });
  const { views, end } = await listTokens(
    deps.db,
    caller.workspaceId,
    {
      limit: query.limit + 1,
      before: before.value,
      visibleTo: seesAllTokens(caller.creatorRole) ? undefined : caller.creatorId,
      workflow: query.workflow,
      creatorId,
      ownerId,
      status: query.status,
      expiresBefore: query.expires_before === undefined ? undefined : new Date(query.expires_before),
      unusedSince: query.unused_since === undefined ? undefined : new Date(query.unused_since),
    },
    now,
  );
  const place = (view: TokenView) => printId('tok', view.token.id);
  const page = pageOf('tokens', views, query.limit, place, presentToken, end && printId('tok', end));
  return accept({ status: 200, body: page });
});
