//! What the store does in a Redis, in Lua: each script is atomic there.
//!
//! A script looks first and writes last, so that a Redis that refuses to write (OOM, READONLY, MISCONF) refuses its first
//! write, and nothing is half done. Answers are arrays that begin with a word: `OK` and numbers, `HELD` and by whom, `FENCED`
//! and by whom, `STALE` and the true position, `FULL`.
//!
//! Numbers are at most 2^53, where Lua's are exact: 9 PB of input.

/// The longest entry of a stream, in bytes: what is longer becomes several, so that a reader knows the most that a reply to
/// `XRANGE ... COUNT n` may have.
pub(super) const ENTRY_BYTES: usize = 256 * 1024;

/// A script, by its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LuaScript {
    /// Keys: reg. Arguments: feed, lease. Answer: epoch, fed.
    Register,
    /// Keys: reg, in, ck. Arguments: epoch, start, lease, bytes, entry bytes, most bytes. Answer: fed.
    Append,
    /// Keys: own, ck. Arguments: worker, lease. Answer: epoch, taken, made, and 1 if another worker had it before.
    Claim,
    /// Keys: own, ck, in, out. Arguments: epoch, from, to, worker, bytes, entry bytes, lease. Answer: taken, made.
    Commit,
    /// The same without its guards.
    BareCommit,
    /// Keys: own. Arguments: epoch, worker. Answer: nothing; or `FENCED`.
    LookAtLease,
    /// Keys: own. Arguments: epoch, worker. Answer: nothing.
    Release,
    /// Keys: members, own of each key. Arguments: worker, lease, epoch of each key. Answer: members that are alive.
    Heartbeat,
    /// Keys: sink, ck, out. Arguments: epoch, key, end. Answer: nothing.
    Acknowledge,
    /// Keys: sink, ck, reg. Arguments: key. Answer: acknowledged, made, taken, fed.
    Offsets,
}

impl LuaScript {
    /// Its text.
    pub(super) fn text(self) -> String {
        let parts: &[&str] = match self {
            Self::Register => &[NOW, REGISTER],
            Self::Append => &[NOW, ADD, APPEND],
            Self::Claim => &[NOW, CLAIM],
            Self::Commit => &[NOW, ADD, OWNER, POSITION, COMMIT],
            Self::BareCommit => &[ADD, COMMIT],
            Self::LookAtLease => &[NOW, OWNER, LEASE, DONE],
            Self::Release => &[OWNER, RELEASE],
            Self::Heartbeat => &[NOW, HEARTBEAT],
            Self::Acknowledge => &[ACKNOWLEDGE],
            Self::Offsets => &[OFFSETS],
        };
        parts.concat()
    }
}

/// The time is the server's, in milliseconds.
const NOW: &str = "
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
";

/// Adds bytes to a stream, in entries that are not too long, and says where they end.
const ADD: &str = "
local function add(stream, start, bytes, longest, ...)
    for from = 1, #bytes, longest do
        local piece = bytes
        if #bytes > longest then piece = bytes:sub(from, from + longest - 1) end
        local stop = start + #piece
        redis.call('XADD', stream, string.format('%.0f-0', stop), 'start', start, 'bytes', piece, ...)
        start = stop
    end
    return start
end
";

const REGISTER: &str = "
local reg = redis.call('HMGET', KEYS[1], 'feed', 'e', 'until', 'fed')
if reg[1] and reg[1] ~= ARGV[1] and tonumber(reg[3] or 0) > now then return {'HELD', 'feed ' .. reg[1]} end
local e, fed = (reg[2] or 0) + 1, tonumber(reg[4] or 0)
redis.call('HSET', KEYS[1], 'feed', ARGV[1], 'e', e, 'until', now + ARGV[2], 'fed', fed)
return {'OK', e, fed}
";

/// A feed that has to wait is alive: its lease goes on.
const APPEND: &str = "
local reg = redis.call('HMGET', KEYS[1], 'e', 'fed', 'feed')
if reg[1] ~= ARGV[1] then return {'FENCED', 'feed ' .. (reg[3] or 'of nobody')} end
local fed = tonumber(reg[2])
if fed ~= tonumber(ARGV[2]) then return {'STALE', fed} end
redis.call('HSET', KEYS[1], 'until', now + ARGV[3])
local waiting = fed - (redis.call('HGET', KEYS[3], 'in') or 0)
if waiting > 0 and waiting + #ARGV[4] > tonumber(ARGV[6]) then return {'FULL'} end
fed = add(KEYS[2], fed, ARGV[4], tonumber(ARGV[5]))
redis.call('HSET', KEYS[1], 'fed', fed)
return {'OK', fed}
";

/// The same worker's name is the same worker, started again: what it was before is fenced.
const CLAIM: &str = "
local own = redis.call('HMGET', KEYS[1], 'w', 'e', 'until', 'last')
if own[1] and own[1] ~= ARGV[1] and tonumber(own[3] or 0) > now then return {'HELD', 'worker ' .. own[1]} end
local e = (own[2] or 0) + 1
local ck = redis.call('HMGET', KEYS[2], 'in', 'out')
redis.call('HSET', KEYS[1], 'w', ARGV[1], 'e', e, 'until', now + ARGV[2], 'last', ARGV[1])
local handed = (own[4] or ARGV[1]) ~= ARGV[1] and 1 or 0
return {'OK', e, tonumber(ck[1] or 0), tonumber(ck[2] or 0), handed}
";

/// The first guard. A key that was released has an epoch, and no worker.
const OWNER: &str = "
local own = redis.call('HMGET', KEYS[1], 'e', 'w', 'until')
local worker = ARGV[4] or ARGV[2]
if own[1] ~= ARGV[1] or own[2] ~= worker then
    return {'FENCED', 'worker ' .. (own[2] or 'of nobody') .. ', epoch ' .. (own[1] or 0)}
end
";

/// The second guard. An owner that commits is alive: its lease goes on.
const POSITION: &str = "
local taken = tonumber(redis.call('HGET', KEYS[2], 'in') or 0)
if taken ~= tonumber(ARGV[2]) then return {'STALE', taken} end
redis.call('HSET', KEYS[1], 'until', now + ARGV[7])
";

const COMMIT: &str = "
local to = tonumber(ARGV[3])
local made = tonumber(redis.call('HGET', KEYS[2], 'out') or 0)
made = add(KEYS[4], made, ARGV[5], tonumber(ARGV[6]), 'worker', ARGV[4], 'epoch', ARGV[1])
redis.call('HSET', KEYS[2], 'in', to, 'out', made)
redis.call('XTRIM', KEYS[3], 'MINID', to + 1)
return {'OK', to, made}
";

/// What the bug has instead of guards.
const LEASE: &str = "
if tonumber(own[3] or 0) <= now then return {'FENCED', 'nobody: the lease is over'} end
";

const DONE: &str = "
return {'OK'}
";

const RELEASE: &str = "
redis.call('HDEL', KEYS[1], 'w', 'until')
return {'OK'}
";

const HEARTBEAT: &str = "
redis.call('HSET', KEYS[1], ARGV[1], now + ARGV[2])
for i = 2, #KEYS do
    local own = redis.call('HMGET', KEYS[i], 'w', 'e')
    if own[1] == ARGV[1] and own[2] == ARGV[i + 1] then redis.call('HSET', KEYS[i], 'until', now + ARGV[2]) end
end
local answer, members = {'OK'}, redis.call('HGETALL', KEYS[1])
for i = 1, #members, 2 do
    if tonumber(members[i + 1]) > now then
        answer[#answer + 1] = tonumber(members[i])
    else
        redis.call('HDEL', KEYS[1], members[i])
    end
end
return answer
";

const ACKNOWLEDGE: &str = "
local sink = redis.call('HMGET', KEYS[1], 'e', ARGV[2])
if sink[1] ~= ARGV[1] then return {'FENCED', 'the sink of epoch ' .. (sink[1] or 0)} end
local made, stop = tonumber(redis.call('HGET', KEYS[2], 'out') or 0), tonumber(ARGV[3])
if stop > made then return {'STALE', made} end
if stop > tonumber(sink[2] or 0) then
    redis.call('HSET', KEYS[1], ARGV[2], stop)
    redis.call('XTRIM', KEYS[3], 'MINID', stop + 1)
end
return {'OK'}
";

const OFFSETS: &str = "
local ck = redis.call('HMGET', KEYS[2], 'out', 'in')
local acked, fed = redis.call('HGET', KEYS[1], ARGV[1]), redis.call('HGET', KEYS[3], 'fed')
return {'OK', tonumber(acked or 0), tonumber(ck[1] or 0), tonumber(ck[2] or 0), tonumber(fed or 0)}
";
