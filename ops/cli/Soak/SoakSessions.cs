namespace Loire.Cli.Soak;

/// <summary>What is done to a session after its turn.</summary>
internal enum SoakAct
{
    None,
    Hibernate,
    Move,

    /// <summary>A fork, which is deleted.</summary>
    Fork,

    /// <summary>A turn that keeps nothing.</summary>
    AskWithoutSession,
}

/// <param name="Name">Of its session.</param>
/// <param name="Text">What is said.</param>
/// <param name="Then">What follows.</param>
/// <param name="IsLast">The session goes after it.</param>
internal sealed record SoakTurn(string Name, string Text, SoakAct Then, bool IsLast)
{
    public string Fork => $"{Name}-fork";
}

/// <summary>The sessions of one client, always as many: a few that are used in turn, and one that sleeps for longer than an idle grain stays, comes back once, and goes.</summary>
internal sealed class SoakSessions
{
    public static readonly TimeSpan Beat = TimeSpan.FromSeconds(1);

    private const int Awake = 3;
    private const int MostTurns = 6;
    private const int SleepBeats = 200; // grains of sessions go after two to three minutes

    private readonly Random _random;
    private readonly int _client;
    private readonly int _wakesAt;
    private readonly (string Name, int Turns)[] _sessions = new (string, int)[Awake + 1];
    private int _beat;
    private int _made;

    public SoakSessions(int client, int clients, int seed)
    {
        (_client, _random, _wakesAt) = (client, new Random((seed * 1000) + client), client * SleepBeats / clients);
        for (var place = 0; place < _sessions.Length; place++)
        {
            _sessions[place] = New(place == Awake ? 1 + (client % 2) : TurnsOf(place)); // of the sleepers, as many fall asleep as wake up
        }
    }

    public IEnumerable<string> Names => _sessions.Select(session => session.Name);

    /// <summary>What comes next. After its last turn, a new session has the place.</summary>
    public SoakTurn Next()
    {
        var place = _beat % SleepBeats == _wakesAt ? Awake : _beat % Awake;
        _beat++;
        var (name, turns) = _sessions[place];
        _sessions[place] = turns > 1 ? (name, turns - 1) : New(TurnsOf(place));
        return new SoakTurn(name, $"My number is {_random.Next(1000)}.", (SoakAct)_random.Next(5), turns == 1);
    }

    /// <summary>A sleeper that had more would make the store fill for as long as the first ones live.</summary>
    private int TurnsOf(int place) => place == Awake ? 2 : _random.Next(1, MostTurns);

    private (string Name, int Turns) New(int turns) => ($"soak-{_client}-{_made++}", turns);
}
