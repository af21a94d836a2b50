namespace Loire.Engine.Models;

/// <summary>Turns a model folder's <c>config.json</c> into a graph.</summary>
public static class ModelConfig
{
    public static ModelGraph Load(string modelFolder) => throw new NotImplementedException();
}
