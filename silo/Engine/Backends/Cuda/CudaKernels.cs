using Loire.Cuda;
using Loire.Engine.Models;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Every kernel that a model's steps use, compiled for one device and element type.</summary>
internal sealed class CudaKernels : IDisposable
{
    private readonly CudaDevice _device;
    private readonly Dictionary<string, CudaModule> _modules = new(StringComparer.Ordinal);
    private readonly Dictionary<int, Lightning> _lightning = [];
    private readonly Dictionary<AttentionShape, Attention> _attention = [];
    private readonly StreamWorkspace _workspace;
    private readonly CublasLt? _library;
    private readonly ExpertScratch? _scratch;
    private PartialSums? _sums;

    /// <param name="device">Where they run.</param>
    /// <param name="stream">On which those with a workspace run.</param>
    /// <param name="type">Of weights and 16-bit activations.</param>
    /// <param name="experts">Of the weights of feed-forwards.</param>
    /// <param name="scratchBytes">That large tiles take for weights of 8 bits.</param>
    public CudaKernels(CudaDevice device, CudaStream stream, ElementType type, WeightType experts, long scratchBytes)
    {
        _device = device;
        Type = type;
        _workspace = new StreamWorkspace(device, stream);
        _library = type is ElementType.BFloat16 ? new CublasLt(device) : null;
        Norm = new AddNorm(Module("AddNorm"));
        Linear = new Linear(Module("Linear"), type, _workspace, _library);
        Router = new Router(Module("Router"), _workspace);
        var canPrefill = Experts.CanPrefill(device, type);
        _scratch = canPrefill && scratchBytes > 0 ? new ExpertScratch(new Quantise(Module("Quantise")), device, scratchBytes) : null;
        Experts = new Experts(Module("Experts", Experts.DefinesOf(experts)), type, _workspace, canPrefill ? Module("ExpertsPrefill") : null, experts, _scratch);
        GatedNorm = new GatedNorm(Module("GatedNorm"), type);
        Rope = new RopeAppend(Module("RopeAppend"));
        Greedy = new GreedySampling(Module("Sampling"));
        Top = new TopCandidates(Module("TopCandidates"));
        Choice = new TokenChoice(Module("TokenChoice"));
        Draw = new RowDraw(Module("RowDraw"));
        Pages = new PageBlobs(Module("PageBlobs"));
        Clear = new StateClear(Module("PageBlobs"));
    }

    public ElementType Type { get; }

    public AddNorm Norm { get; }

    public Linear Linear { get; }

    public Router Router { get; }

    public Experts Experts { get; }

    public GatedNorm GatedNorm { get; }

    public RopeAppend Rope { get; }

    public GreedySampling Greedy { get; }

    public TopCandidates Top { get; }

    public TokenChoice Choice { get; }

    public RowDraw Draw { get; }

    public PageBlobs Pages { get; }

    public StateClear Clear { get; }

    /// <summary>Of parts that share layers.</summary>
    public PartialSums Sums => _sums ??= new PartialSums(Module("PartialSums"));

    public Lightning LightningOf(int headDim)
    {
        if (!_lightning.TryGetValue(headDim, out var kernel))
        {
            _lightning[headDim] = kernel = new Lightning(Module, Type, headDim);
        }

        return kernel;
    }

    public Attention AttentionOf(SoftmaxSpec spec)
    {
        var shape = new AttentionShape(spec.Heads, spec.KeyValueHeads, spec.HeadDim, 1 / MathF.Sqrt(spec.HeadDim));
        if (!_attention.TryGetValue(shape, out var kernel))
        {
            _attention[shape] = kernel = new Attention(Module, Type, shape);
        }

        return kernel;
    }

    public void Dispose()
    {
        foreach (var module in _modules.Values)
        {
            module.Dispose();
        }

        _library?.Dispose();
        _scratch?.Dispose();
        _workspace.Dispose();
    }

    private CudaModule Module(string name) => Module(name, []);

    /// <summary>A source has the same defines each time.</summary>
    private CudaModule Module(string name, string[] defines)
    {
        if (!_modules.TryGetValue(name, out var module))
        {
            _modules[name] = module = _device.Compile(KernelSources.Of(name, Type, defines));
        }

        return module;
    }
}
