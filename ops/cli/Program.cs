Console.Error.WriteLine("loire: no command yet");
return 1;
