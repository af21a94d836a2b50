using System.Text.Json;
using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>The cluster as the API shows it.</summary>
internal static class ClusterJson
{
    public static void Write(Utf8JsonWriter json, ClusterView view)
    {
        json.WriteStartObject();
        json.WriteString("object", "cluster");
        json.WriteBoolean("ready", view.Ready);
        json.WriteString("reason", view.Reason);
        json.WriteStartArray("silos");
        foreach (var silo in view.Silos)
        {
            Write(json, silo);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, SiloView silo)
    {
        json.WriteStartObject();
        json.WriteString("name", silo.Name);
        json.WriteString("address", silo.Address);
        json.WriteString("status", silo.Status);
        json.WriteString("reason", silo.Reason);
        json.WriteNumber("sessions", silo.Sessions);
        json.WriteNumber("running_turns", silo.RunningTurns);
        json.WriteNumber("load_weight", silo.LoadWeight);
        json.WriteNumber("handed_over", silo.HandedOver);
        json.WriteStartArray("devices");
        foreach (var device in silo.Devices)
        {
            json.WriteStartObject();
            json.WriteString("name", device.Name);
            json.WriteString("description", device.Description);
            json.WriteNumber("memory_bytes", device.MemoryBytes);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("replicas");
        foreach (var replica in silo.Replicas)
        {
            Write(json, replica);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>A replica, with where its parts are.</summary>
    private static void Write(Utf8JsonWriter json, ReplicaView replica)
    {
        json.WriteStartObject();
        json.WriteString("key", replica.Key);
        json.WriteBoolean("ready", replica.Ready);
        json.WriteNumber("slots", replica.Slots);
        json.WriteNumber("slots_in_use", replica.SlotsInUse);
        json.WriteNumber("pages", replica.Pages);
        json.WriteNumber("pages_in_use", replica.PagesInUse);
        json.WriteNumber("running", replica.RunningSequences);
        json.WriteNumber("waiting", replica.WaitingSequences);
        json.WriteNumber("steps", replica.Steps);
        json.WriteNumber("prompt_tokens", replica.PromptTokens);
        json.WriteNumber("generated_tokens", replica.GeneratedTokens);
        json.WriteStartArray("stages");
        foreach (var stage in replica.Stages)
        {
            json.WriteStringValue($"{Place(stage.Silo, stage.Device)}: layers {stage.FirstLayer} to {stage.EndLayer - 1}");
        }

        json.WriteEndArray();
        json.WriteStartArray("shards");
        foreach (var shard in replica.Router?.Shards ?? [])
        {
            var layers = shard is { FirstLayer: { } first, EndLayer: { } end } ? $" of layers {first} to {end - 1}" : "";
            json.WriteStringValue($"{Place(shard.Silo, shard.Device)}: experts {shard.FirstExpert} to {shard.EndExpert - 1}{layers}");
        }

        json.WriteEndArray();
        json.WriteStartArray("expert_tokens"); // by expert, all layers together
        foreach (var tokens in replica.Router?.ExpertLoad ?? [])
        {
            json.WriteNumberValue(tokens);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static string Place(string? silo, string device) => silo is null ? device : $"{silo}/{device}";
}
