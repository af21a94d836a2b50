using Loire.Actors.Calls;
using Loire.Actors.Manifest;
using Loire.Actors.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Orleans;
using Orleans.Configuration;
using Orleans.GrainDirectory;
using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>One silo: takes calls to the activation they are for.</summary>
/// <remarks>
/// 1. A reference remembers the activation that took its last call: most calls go straight there.
/// 2. Else the catalog has it, or the locator says which silo it is to be on, and the catalog makes it.
/// 3. An activation that has ended refuses, and the call is routed again.
/// </remarks>
internal sealed partial class SiloRuntime
{
    // An activation that ends and one that fails to begin, a few times over; more means that something is wrong.
    private const int MaxForwards = 8;

    private readonly long _timeoutTicks;

    public SiloRuntime(
        IServiceProvider services,
        TimeProvider time,
        ILocalSiloDetails local,
        IClusterMembershipService membership,
        IGrainDirectory directory,
        IOptions<SiloMessagingOptions> messaging,
        IOptions<GrainCollectionOptions> collection,
        IOptions<TransportOptions> transport,
        IOptions<ClusterOptions> cluster,
        ILogger<SiloRuntime> logger)
    {
        IsClient = LinkTable.IsClient(local.SiloAddress);
        Membership = membership;
        Transport = transport.Value;
        Services = services;
        Time = time;
        Address = local.SiloAddress;
        Log = new RuntimeLog(logger);
        WaitingLimit = messaging.Value.WaitingLimit;
        CancelRequestOnTimeout = messaging.Value.CancelRequestOnTimeout;
        HeartbeatPeriod = messaging.Value.ResponseTimeout / 2;
        AbandonedAfter = messaging.Value.ResponseTimeout;
        CollectionAge = collection.Value.CollectionAge;
        CollectionQuantum = collection.Value.CollectionQuantum;
        ActivationTimeout = collection.Value.ActivationTimeout;
        DeactivationTimeout = collection.Value.DeactivationTimeout;
        _timeoutTicks = TicksOf(messaging.Value.ResponseTimeout);
        Manifest = new GrainManifest(collection.Value);
        References = new ReferenceFactory(this);
        Catalog = new Catalog(this);
        Locator = new GrainLocator(this, directory, new PlacementService(services, local, membership));
        Deadlines = new Deadlines(this);
        Links = new LinkTable(this, transport.Value, cluster.Value.ClusterId);
        Observers = new ObserverRegistry(this);
        Control = new SiloControl(this);
        Observers.AddNamed(SiloControl.Name, Control);
        Filters = [.. services.GetServices<IIncomingGrainCallFilter>()];
        Lease = services.GetService<IClusterLease>();
    }

    public IServiceProvider Services { get; }

    public TimeProvider Time { get; }

    public SiloAddress Address { get; }

    /// <summary>Whether this process only calls grains.</summary>
    public bool IsClient { get; }

    public IClusterMembershipService Membership { get; }

    /// <summary>What membership rests on; null where it cannot be lost.</summary>
    public IClusterLease? Lease { get; }

    /// <summary>Whether others may treat this silo as dead already. Asked before each turn: the process may have been frozen since the last one.</summary>
    public bool HasLostLease => Lease is { IsHeld: false, LostReason: not null };

    public TransportOptions Transport { get; }

    public LinkTable Links { get; }

    public RuntimeLog Log { get; }

    public int WaitingLimit { get; }

    public bool CancelRequestOnTimeout { get; }

    /// <summary>How long a reader of a stream waits for an item before it is told to ask again.</summary>
    public TimeSpan HeartbeatPeriod { get; }

    /// <summary>How long a stream waits for its reader to come back.</summary>
    public TimeSpan AbandonedAfter { get; }

    public TimeSpan CollectionAge { get; }

    public TimeSpan CollectionQuantum { get; }

    public TimeSpan ActivationTimeout { get; }

    public TimeSpan DeactivationTimeout { get; }

    public GrainManifest Manifest { get; }

    public ReferenceFactory References { get; }

    public Catalog Catalog { get; }

    public GrainLocator Locator { get; }

    public Deadlines Deadlines { get; }

    public ObserverRegistry Observers { get; }

    public IIncomingGrainCallFilter[] Filters { get; }

    /// <summary>What other silos ask; the registry holds it weakly.</summary>
    public SiloControl Control { get; }

    public ISiloControl ControlOf(SiloAddress silo) =>
        (ISiloControl)(object)References.Create(typeof(ISiloControl), ObserverRegistry.NamedAt(silo, SiloControl.Name));

    /// <summary>A time span in the units of <see cref="TimeProvider.GetTimestamp"/>.</summary>
    public long TicksOf(TimeSpan span) => (long)(span.TotalSeconds * Time.TimestampFrequency);

    /// <summary>How long it is until then; negative when it is past.</summary>
    public long MillisecondsUntil(long timestamp) => (timestamp - Time.GetTimestamp()) / (Time.TimestampFrequency / 1000);

    /// <summary>Sends a call that was opened for its caller.</summary>
    public void Send(GrainReference target, Request request)
    {
        request.Target = target;
        request.Sender = RuntimeContext.Current;
        if (RequestContext.Values is { } context)
        {
            request.Context = context;
            request.ReentrancyId = RequestContext.ReentrancyIdOf(context);
        }

        var method = request.Method;
        if ((method.Options & CallOptions.OneWay) == 0)
        {
            request.SentAt = Time.GetTimestamp();
            var wait = method.ResponseTimeout is { } timeout ? TicksOf(timeout) : _timeoutTicks;
            request.Deadline = wait > 0 ? request.SentAt + wait : long.MaxValue;
        }

        var cancellable = request.IsCancellable;
        if (cancellable && request.FailIfCancelled())
        {
            return;
        }

        if ((target.LastActivation is not { } last || !last.TryReceive(request))
            && (target.LastLink is not { } link || !link.TrySend(request)))
        {
            Route(request);
        }

        if (cancellable)
        {
            request.WatchToken();
        }
    }

    /// <summary>Sends a call and gives its end as a task.</summary>
    public Task SendAsync(GrainReference target, VoidRequest request)
    {
        var task = request.OpenAsTask();
        Send(target, request);
        return task;
    }

    /// <summary>Sends a call on whose activation has ended.</summary>
    public void Forward(Request request, GrainAddress? to)
    {
        var silo = to?.SiloAddress;
        if (request.Caller is not null && silo is not null && silo != Address)
        {
            Refuse(request, silo, placed: false);
        }
        else if (request.Forwards++ >= MaxForwards)
        {
            Fail(request, TooManyForwards(request));
        }
        else if (request.Caller is not null)
        {
            Receive(request);
        }
        else if (silo is not null && silo != Address)
        {
            SendTo(request, silo);
        }
        else
        {
            Route(request);
        }
    }

    /// <summary>Ends the activations that have been idle for their age limit, or for <paramref name="ageLimit"/>.</summary>
    public void Collect(TimeSpan? ageLimit = null)
    {
        var now = Time.GetTimestamp();
        foreach (var activation in Catalog.All)
        {
            activation.CollectIfIdle(now, ageLimit);
        }
    }

    /// <summary>What is there right now, for tests: when the silo is idle, all but the activations is zero.</summary>
    public RuntimeAudit Audit()
    {
        var audit = new RuntimeAudit(0, 0, Deadlines.Routing, 0, 0);
        foreach (var activation in Catalog.All)
        {
            var (waiting, running, streams) = activation.Depth();
            audit = audit with
            {
                Activations = audit.Activations + 1,
                Waiting = audit.Waiting + waiting,
                Running = audit.Running + running,
                Streams = audit.Streams + streams,
            };
        }

        return audit;
    }

    private void Route(Request request)
    {
        try
        {
            var target = request.Target;
            var grainId = target.GrainId;
            if (ObserverRegistry.SiloOf(grainId) is { } owner)
            {
                if (owner == Address)
                {
                    ToObserver(request, grainId);
                }
                else
                {
                    var link = Links.Get(owner);
                    target.LastLink = link;
                    link.Send(request);
                }

                return;
            }

            while (Catalog.Find(grainId) is { } found)
            {
                if (found.TryReceive(request))
                {
                    target.LastActivation = found;
                    return;
                }

                Catalog.Remove(found);
            }

            if (_locations.TryGetValue(grainId, out var known))
            {
                request.IsPlaced = false;
                SendTo(request, known);
            }
            else if (IsClient)
            {
                SendTo(request, Locator.Gateway());
            }
            else
            {
                _ = LocateAsync(request, Manifest.ClassOf(grainId.Type));
            }
        }
        catch (Exception exception)
        {
            Fail(request, exception);
        }
    }

    private async Task LocateAsync(Request request, GrainClass grainClass)
    {
        Deadlines.BeginRouting(request);
        try
        {
            SiloAddress silo;
            try
            {
                silo = await Locator.LocateAsync(grainClass, request).ConfigureAwait(false);
            }
            finally
            {
                Deadlines.EndRouting(request);
            }

            if (silo == Address)
            {
                Deliver(request, grainClass);
            }
            else
            {
                SendTo(request, silo);
            }
        }
        catch (Exception exception)
        {
            Fail(request, exception);
        }
    }

    private void Deliver(Request request, GrainClass grainClass)
    {
        var target = request.Target;
        while (true)
        {
            var activation = Catalog.GetOrAdd(grainClass, target.GrainId, request.Context);
            if (activation.TryReceive(request))
            {
                if (grainClass.Placement.IsUsingGrainDirectory)
                {
                    target.LastActivation = activation;
                }

                return;
            }

            Catalog.Remove(activation);
        }
    }

    private void ToObserver(Request request, GrainId grainId)
    {
        if (Observers.Find(grainId)?.TryReceive(request) != true)
        {
            Fail(request, new ClientNotAvailableException($"The observer reference {grainId} was deleted, or is another process's."));
        }
    }

    internal static void Fail(Request request, Exception exception)
    {
        request.TryFail(exception);
        request.LetGo();
    }
}

/// <summary>What a silo holds.</summary>
internal readonly record struct RuntimeAudit(int Activations, int Waiting, int Routing, int Running, int Streams);
