-- The globals of scripts and of libraries; see sandbox.rs. Called with what Rust lends, it returns the table of globals, the protected table that stands for
-- it, the function that says what redis.call calls, and what libraries are loaded with.

local host = ...
local type, select, tostring, tonumber = type, select, tostring, tonumber
local rawget, rawset, next, pairs, pcall = rawget, rawset, next, pairs, pcall
local setmetatable, getmetatable, unpack = setmetatable, getmetatable, unpack
local collectgarbage, setfenv = collectgarbage, setfenv
local concat, floor, sub, lower, find = table.concat, math.floor, string.sub, string.lower, string.find

-- Kinds of requests, as in engine.rs.
local CALL, MAY, LOG, PROTOCOL = 0, 1, 2, 3

local READONLY = "Attempt to modify a readonly table"

-- Functions that are to raise errors return them: (error) or (nil, results). See native.rs.
local raising = host.raising

local refuse = raising(function() return READONLY end)

-- From the empty tables that scripts see to their contents.
local hidden = {}

local function protect(contents)
  local shown = {}
  setmetatable(shown, { __index = contents, __newindex = refuse })
  hidden[shown] = contents
  return shown
end

-- What a C function would say of an argument, if it is of another kind. `...` are all arguments.
local function unfit(kind, index, name, ...)
  local value = select(index, ...)
  local got = type(value)
  if got == kind or (got == "number" and kind == "string") or (kind == "number" and tonumber(value)) then
    return nil
  end
  if select("#", ...) < index then got = "no value" end
  return "bad argument #" .. index .. " to '" .. name .. "' (" .. kind .. " expected, got " .. got .. ")"
end

local function all_raising(functions)
  local lifted = {}
  for name, value in pairs(functions) do
    lifted[name] = type(value) == "function" and raising(value) or value
  end
  return lifted
end

-- redis.

local invoke

local function set_invoke(value) invoke = value end

local redis = {
  REDIS_VERSION = host.version,
  REDIS_VERSION_NUM = host.version_number,
  LOG_DEBUG = 0, LOG_VERBOSE = 1, LOG_NOTICE = 2, LOG_WARNING = 3,
  REPL_NONE = 0, REPL_AOF = 1, REPL_SLAVE = 2, REPL_REPLICA = 2, REPL_ALL = 3,
}

redis.call = raising(function(...)
  local value, failed = invoke(CALL, ...)
  if failed then return value end
  return nil, value
end)

function redis.pcall(...)
  return (invoke(CALL, ...))
end

redis.acl_check_cmd = raising(function(...)
  local value, failed = invoke(MAY, ...)
  if failed then return value end
  return nil, value
end)

redis.log = raising(function(...)
  local count = select("#", ...)
  if count < 2 then return { err = "ERR redis.log() requires two arguments or more." } end
  local level = ...
  if type(level) ~= "number" then return { err = "ERR First argument must be a number (log level)." } end
  if level < 0 or level >= 4 then return { err = "ERR Invalid debug level." } end
  local words = {}
  for index = 2, count do
    local word = select(index, ...)
    local kind = type(word)
    if kind == "string" or kind == "number" then words[#words + 1] = word end
  end
  invoke(LOG, floor(level), concat(words, " "))
end)

redis.setresp = raising(function(...)
  if select("#", ...) ~= 1 then return { err = "ERR redis.setresp() requires one argument." } end
  local version = ...
  if version ~= 2 and version ~= 3 then return { err = "ERR RESP version must be 2 or 3." } end
  invoke(PROTOCOL, version)
end)

redis.sha1hex = raising(function(...)
  if select("#", ...) ~= 1 then return { err = "ERR wrong number of arguments" } end
  return nil, host.sha1hex((...))
end)

local WRONG = "ERR wrong number or type of arguments"

function redis.error_reply(...)
  local text = ...
  if select("#", ...) ~= 1 or type(text) ~= "string" then return { err = WRONG } end
  if sub(text, 1, 1) == "-" then text = sub(text, 2) end
  if not find(text, " ", 1, true) then text = "ERR " .. text end
  return { err = text }
end

function redis.status_reply(...)
  local text = ...
  if select("#", ...) ~= 1 or type(text) ~= "string" then return { err = WRONG } end
  return { ok = text }
end

-- Effects are what is replicated, always.
function redis.replicate_commands() return true end

redis.set_repl = raising(function(...)
  if select("#", ...) ~= 1 then return { err = "ERR redis.set_repl() requires two arguments." } end
  local flags = tonumber((...)) or 0
  if flags < 0 or flags > 3 then
    return { err = "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE." }
  end
end)

function redis.breakpoint() return false end

function redis.debug() end

-- What passes by the metatables of protected tables.

local base = {}

-- An error that is a table is the text in it to pcall, as in Redis.
local function settled(ok, first, ...)
  if not ok and type(first) == "table" then
    local text = first.err
    if type(text) == "string" or type(text) == "number" then return ok, text end
  end
  return ok, first, ...
end

function base.pcall(...) return settled(pcall(...)) end

-- A bare message, without a place, is what the interpreter says of a read-only table.
local function refuse_bare() return true, READONLY end

base.rawset = host.unless_hidden(rawset, hidden, refuse_bare)
base.setmetatable = host.unless_hidden(setmetatable, hidden, refuse_bare)

base.rawget = host.unless_hidden(rawget, hidden, function(target, key)
  return nil, rawget(hidden[target], key)
end)

base.next = host.unless_hidden(next, hidden, function(target, key)
  return nil, next(hidden[target], key)
end)

-- A copy: what is given out here could be written to.
base.pairs = raising(function(...)
  local target = ...
  if type(target) ~= "table" then return unfit("table", 1, "pairs", ...) end
  local contents = hidden[target]
  if contents then
    target = {}
    for key, value in pairs(contents) do target[key] = value end
  end
  return nil, next, target, nil
end)

-- What scripts and what libraries have for _G.
local visible, visible_to_libraries, visible_meta

base.getmetatable = host.unless_hidden(getmetatable, hidden, function(target)
  return nil, (target == visible or target == visible_to_libraries) and visible_meta or nil
end)

-- Stops and slowdowns of the collector would outlive the script.
function base.collectgarbage(option, ...)
  if option == "stop" or option == "restart" or option == "setpause" or option == "setstepmul" then
    return 0
  end
  return collectgarbage(option, ...)
end

-- Lua 5.1 counts what it is to return in an int that may overflow; it has room for 8,000 values, its arguments among them.
base.unpack = raising(function(...)
  local list, first, last = ...
  local error = unfit("table", 1, "unpack", ...)
    or first ~= nil and unfit("number", 2, "unpack", ...)
    or last ~= nil and unfit("number", 3, "unpack", ...)
  if error then return error end
  first, last = tonumber(first or 1), tonumber(last or #list)
  if first > last then return nil end
  if not (last - first + 1 + select("#", ...) <= 8000 and first > -2147483648 and last < 2147483647) then
    return "too many results to unpack"
  end
  return nil, unpack(...)
end)

-- Text alone, and whole before it is compiled: no code of a script runs while the parser does. What a library compiles sees what it sees itself.
local function add_compilers(to, environment)
  local function compile(code, name)
    local made, why = host.compile(code, name)
    if made and environment then setfenv(made, environment) end
    return nil, made, why
  end

  to.loadstring = raising(function(...)
    local code, name = ...
    local error = unfit("string", 1, "loadstring", ...)
    if error then return error end
    code = tostring(code)
    return compile(code, name and tostring(name) or code)
  end)

  to.load = raising(function(...)
    local reader, name = ...
    local error = unfit("function", 1, "load", ...)
    if error then return error end
    local pieces = {}
    while true do
      local piece = reader()
      if piece == nil or piece == "" then break end
      if type(piece) ~= "string" then return nil, nil, "reader function must return a string" end
      pieces[#pieces + 1] = piece
    end
    return compile(concat(pieces), name and tostring(name) or "=(load)")
  end)
end

add_compilers(base)

for _, name in pairs({ "assert", "error", "gcinfo", "ipairs", "rawequal", "select", "tonumber", "tostring", "type", "xpcall", "_VERSION" }) do
  base[name] = _G[name]
end

local lists = {}
for name, value in pairs(table) do lists[name] = value end

lists.insert = host.unless_hidden(table.insert, hidden, refuse_bare)

local strings = {}
for name, value in pairs(string) do strings[name] = value end
for _, name in pairs({ "find", "match", "gmatch", "gsub", "gfind" }) do
  strings[name] = host.with_short_pattern(string[name], name == "find")
end

local maths = {}
for name, value in pairs(math) do maths[name] = value end

local random, ceil = host.random, math.ceil
maths.random = raising(function(...)
  local number, count = random(), select("#", ...)
  if count == 0 then return nil, number end
  if count > 2 then return "wrong number of arguments" end
  local error = unfit("number", 1, "random", ...) or count == 2 and unfit("number", 2, "random", ...)
  if error then return error end
  local low, high = 1, ...
  if count == 2 then low, high = ... end
  -- Lua's own cuts the limits to integers.
  low, high = tonumber(low), tonumber(high)
  low = low < 0 and ceil(low) or floor(low)
  high = high < 0 and ceil(high) or floor(high)
  if low > high then return "bad argument #" .. count .. " to 'random' (interval is empty)" end
  return nil, floor(number * (high - low + 1)) + low
end)

maths.randomseed = raising(function(...)
  local error = unfit("number", 1, "randomseed", ...)
  if error then return error end
  host.seed(tonumber((...)))
end)

local function json_of(functions)
  local json = all_raising(functions)
  json.null = host.null
  json._NAME, json._VERSION = "cjson", "2.1.0"
  return json
end

local json = json_of(host.cjson)
function json.new() return json_of(host.new_cjson()) end

local packing = all_raising(host.cmsgpack)
packing._NAME, packing._VERSION = "cmsgpack", "lua-cmsgpack 0.4.0"

-- The globals.

local globals = base
for name, contents in pairs({
  redis = redis,
  string = strings,
  table = lists,
  math = maths,
  coroutine = coroutine,
  bit = all_raising(host.bit),
  struct = all_raising(host.struct),
  cjson = json,
  cmsgpack = packing,
}) do
  globals[name] = protect(contents)
end

local nonexistent = {
  __index = raising(function(_, name)
    return "Script attempted to access nonexistent global variable '" .. tostring(name) .. "'"
  end),
}

-- What functions of libraries see. Their keys and arguments are given to them, and what only scripts have is left out.
local globals_of_functions, redis_of_functions = {}, {}
for name, value in pairs(redis) do redis_of_functions[name] = value end
redis_of_functions.breakpoint, redis_of_functions.debug, redis_of_functions.replicate_commands = nil, nil, nil
for name, value in pairs(globals) do globals_of_functions[name] = value end
globals_of_functions.redis = protect(redis_of_functions)
visible_to_libraries = protect(globals_of_functions)
globals_of_functions._G = visible_to_libraries
setmetatable(globals_of_functions, nonexistent)

-- What a library sees while it is loaded.
local function is_text(value) return type(value) == "string" or type(value) == "number" end

local FLAGS = {}
for _, flag in pairs({ "no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys" }) do
  FLAGS[flag] = flag
end

-- The functions that the library being loaded has registered, by name and in order; nil while none is loaded.
local registered

local READ = {
  function_name = function(entry, value)
    if not is_text(value) then return "function_name argument given to redis.register_function must be a string" end
    entry.name = tostring(value)
  end,
  description = function(entry, value)
    if not is_text(value) then return "description argument given to redis.register_function must be a string" end
    entry.description = tostring(value)
  end,
  callback = function(entry, value)
    if type(value) ~= "function" then return "callback argument given to redis.register_function must be a function" end
    entry.callback = value
  end,
  flags = function(entry, value)
    if type(value) ~= "table" then
      return "flags argument to redis.register_function must be a table representing function flags"
    end
    local index = 1
    while value[index] ~= nil do
      local flag = is_text(value[index]) and FLAGS[lower(value[index])]
      if not flag then return "unknown flag given" end
      entry.flags[flag], index = true, index + 1
    end
  end,
}

local function named(entry, words)
  if type(words) ~= "table" then
    return "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments)."
  end
  for key, value in next, words do
    if not is_text(key) then return "named argument key given to redis.register_function is not a string" end
    local read = READ[lower(key)]
    local error
    if read then error = read(entry, value) else error = "unknown argument given to redis.register_function" end
    if error then return error end
  end
  if not entry.name then return "redis.register_function must get a function name argument" end
  if not entry.callback then return "redis.register_function must get a callback argument" end
end

local function positional(entry, name, callback)
  if not is_text(name) then return "first argument to redis.register_function must be a string" end
  if type(callback) ~= "function" then return "second argument to redis.register_function must be a function" end
  entry.name, entry.callback = tostring(name), callback
end

local function register(...)
  if not registered then return "redis.register_function can only be called on FUNCTION LOAD command" end
  local count, entry, error = select("#", ...), { flags = {} }, nil
  if count == 1 then
    error = named(entry, (...))
  elseif count == 2 then
    error = positional(entry, ...)
  else
    error = "wrong number of arguments to redis.register_function"
  end
  if error then return error end
  if not find(entry.name, "^[A-Za-z0-9_]+$") then
    return "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long"
  end
  if registered[entry.name] then return "Function already exists in the library" end
  registered[entry.name] = true
  registered[#registered + 1] = entry
end

local redis_of_loading = setmetatable({
  register_function = raising(function(...)
    local error = register(...)
    if error then return { err = "ERR " .. error } end
  end),
}, nonexistent)
for _, name in pairs({ "log", "LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING", "REDIS_VERSION", "REDIS_VERSION_NUM" }) do
  redis_of_loading[name] = redis[name]
end
local globals_of_loading = setmetatable({ redis = protect(redis_of_loading) }, nonexistent)

local environment_meta = { __index = globals_of_functions, __newindex = refuse }
local library = { environment = setmetatable({}, environment_meta) }
add_compilers(globals_of_functions, library.environment)

function library.begin()
  registered = {}
  environment_meta.__index = globals_of_loading
end

function library.finish()
  local entries = registered
  registered = nil
  environment_meta.__index = globals_of_functions
  return entries
end

-- A call of a library's function, as xpcall takes it.
function library.bind(callback, keys, arguments)
  return function() return callback(keys, arguments) end
end

globals.KEYS, globals.ARGV = {}, {}
setmetatable(globals, nonexistent)
visible = protect(globals)
globals._G = visible

-- Strings' methods. Their metatable shows itself protected, and leads to the table that scripts see.
local meta = getmetatable("")
meta.__index = strings
meta.__metatable = protect({ __index = globals.string })

visible_meta = protect({})

return globals, visible, set_invoke, library
